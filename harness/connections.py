"""Opens endpoints: dialect, transport, address, and the key or credentials that say who asks.

Keys are read in `endpoint_keys`; what signs requests for AWS and Google comes from `harness.integrations`, loaded when
an endpoint that needs it is opened first.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from harness.dialects.dialect import WireTarget
from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.known_dialects import DIALECTS, EMBEDDING_DIALECTS
from harness.dialects.request_signer import RequestSigner
from harness.dialects.scripted.transport import ScriptedTransport
from harness.dialects.transport import Transport
from harness.endpoint_keys import EndpointKeys
from harness.exceptions import NameUnknown
from harness.local_models.launcher import LocalModelServers
from harness.metering.connection import Connection
from harness.models.catalogue import AuthName, Endpoint
from harness.models.messages import Origin
from harness.routing.decision import Target

# A scripted endpoint has no address; its transport answers whatever it is asked.
_SCRIPTED_URL = "http://scripted.invalid/v1"

# An endpoint's name and its content.
_EndpointKey = tuple[str, str]


class EndpointConnections:
    """Implements the metered call's `Connections`; transports and signers are kept, keys are read at each opening.

    Args:
        folder: where relative paths of GGUF files, key files and scripted replies start.
        chat_model: what makes the chat model that is registered under a name; by default none is.
    """

    def __init__(
        self,
        *,
        folder: Path,
        environment: Mapping[str, str],
        local_models: LocalModelServers,
        chat_model: Callable[[str], Callable[..., object]] | None = None,
    ) -> None:
        self._folder = folder
        self._registered_chat_model = chat_model
        self._environment = environment
        self._local_models = local_models
        self._keys = EndpointKeys(folder, environment)
        self._transports: dict[_EndpointKey, Transport] = {}
        self._signers: dict[_EndpointKey, RequestSigner] = {}

    async def open(self, target: Target) -> Connection:
        """See the port."""
        endpoint, name = target.endpoint, target.endpoint_name
        # First: no server is started for a call that cannot be made.
        key = self._keys.key(name, endpoint) if endpoint.auth is AuthName.KEY else None
        signer = await self._signer(name, endpoint)
        origin = Origin(
            dialect=endpoint.dialect,
            endpoint=name,
            model=target.model.wire_name,
            account=signer.account if signer else _account(key.get_secret_value()) if key else None,
        )
        return Connection(
            dialect=DIALECTS[endpoint.dialect],
            transport=self._transport(name, endpoint),
            target=WireTarget(target.model, endpoint, await self._base_url(target), key, origin),
            embedding=EMBEDDING_DIALECTS.get(endpoint.dialect),
            signer=signer,
        )

    async def close(self) -> None:
        """Close transports and end local servers; idempotent."""
        transports, self._transports = list(self._transports.values()), {}
        self._signers.clear()
        async with AsyncExitStack() as closing:  # each is closed, also when another cannot be
            closing.push_async_callback(self._local_models.close)
            for transport in transports:
                closing.push_async_callback(transport.close)

    def _transport(self, name: str, endpoint: Endpoint) -> Transport:
        key = _endpoint_key(name, endpoint)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = self._new_transport(name, endpoint)
        return transport

    def _new_transport(self, name: str, endpoint: Endpoint) -> Transport:
        """By what says where it is."""
        if endpoint.scripted_replies is not None:
            return ScriptedTransport(name, self._folder / endpoint.scripted_replies)
        if endpoint.chat_model is not None:
            # Here, because LangChain takes most of a second to load.
            from harness.integrations.langchain.chat_model_transport import ChatModelTransport

            return ChatModelTransport(name, self._chat_model(endpoint.chat_model))
        return HttpxTransport(name)

    def _chat_model(self, name: str) -> Callable[..., object]:
        """What makes the registered chat model of a name.

        Raises:
            NameUnknown: none is registered under it.
        """
        if self._registered_chat_model is None:
            raise NameUnknown("chat model", name)
        return self._registered_chat_model(name)

    async def _base_url(self, target: Target) -> str:
        endpoint = target.endpoint
        if endpoint.base_url is not None:
            return endpoint.base_url
        if endpoint.gguf is not None:
            model = target.model
            gguf = self._gguf(endpoint.gguf, endpoint.gguf_env)
            return await self._local_models.base_url(gguf, model.wire_name, model.context_tokens)
        return _SCRIPTED_URL

    def _gguf(self, named: str, variable: str | None) -> str:
        named = (self._environment.get(variable, "").strip() if variable else "") or named
        return named if named.startswith("package:") else str(self._folder / Path(named).expanduser())

    async def _signer(self, name: str, endpoint: Endpoint) -> RequestSigner | None:
        key = _endpoint_key(name, endpoint)
        if key not in self._signers and endpoint.auth is not AuthName.KEY:
            # Two that open it at once both find credentials; the signer of the later is kept.
            self._signers[key] = await _new_signer(name, endpoint, self._environment)
        return self._signers.get(key)


def _endpoint_key(name: str, endpoint: Endpoint) -> _EndpointKey:
    """By its content too: an endpoint that was bound anew under its old name is another one."""
    return (name, endpoint.model_dump_json())


async def _new_signer(name: str, endpoint: Endpoint, environment: Mapping[str, str]) -> RequestSigner:
    """Credentials that were found.

    Raises:
        KeyRefused: there are none, or the library that finds them is not installed.
    """
    # Here, because their libraries take a second to load and are extras.
    if endpoint.auth is AuthName.AWS:
        from harness.integrations.aws_credentials import AwsSigner

        return await AwsSigner(name, environment).ready()
    from harness.integrations.google_credentials import GoogleSigner

    return await GoogleSigner(name, environment).ready()


def _account(key: str) -> str:
    """Tells keys apart, and gives none away."""
    return hashlib.sha256(f"harness account {key}".encode()).hexdigest()[:12]
