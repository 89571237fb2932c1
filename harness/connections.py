"""Opens endpoints: dialect, transport, address and key. One of the few places that read a key from the environment."""

import hashlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from pydantic import SecretStr

from harness.dialects.dialect import WireTarget
from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.known_dialects import DIALECTS, EMBEDDING_DIALECTS
from harness.dialects.scripted_transport import ScriptedTransport
from harness.dialects.transport import Transport
from harness.exceptions import KeyRefused
from harness.local_models.launcher import LocalModelServers
from harness.metering.connection import Connection
from harness.models.catalogue import Endpoint
from harness.models.messages import Origin
from harness.routing.decision import Target

# A scripted endpoint has no address; its transport answers whatever it is asked.
_SCRIPTED_URL = "http://scripted.invalid/v1"


class EndpointConnections:
    """Implements the metered call's `Connections`; transports are kept, keys are read at each opening.

    Args:
        folder: where relative paths of GGUF files and scripted replies start.
    """

    def __init__(self, *, folder: Path, environment: Mapping[str, str], local_models: LocalModelServers) -> None:
        self._folder = folder
        self._environment = environment
        self._local_models = local_models
        self._transports: dict[tuple[str, str], Transport] = {}

    async def open(self, target: Target) -> Connection:
        """See the port."""
        endpoint = target.endpoint
        key = self._key(target.endpoint_name, endpoint)  # first: no server is started for a call that cannot be made
        origin = Origin(
            dialect=endpoint.dialect,
            endpoint=target.endpoint_name,
            model=target.model.wire_name,
            account=_account(key.get_secret_value()) if key is not None else None,
        )
        return Connection(
            dialect=DIALECTS[endpoint.dialect],
            transport=self._transport(target.endpoint_name, endpoint),
            target=WireTarget(target.model, endpoint, await self._base_url(target), key, origin),
            embedding=EMBEDDING_DIALECTS.get(endpoint.dialect),
        )

    async def close(self) -> None:
        """Close transports and end local servers; idempotent."""
        transports, self._transports = list(self._transports.values()), {}
        async with AsyncExitStack() as closing:  # each is closed, also when another cannot be
            closing.push_async_callback(self._local_models.close)
            for transport in transports:
                closing.push_async_callback(transport.close)

    def _transport(self, name: str, endpoint: Endpoint) -> Transport:
        # By its content too: an endpoint that was bound anew under its old name is another one.
        key = (name, endpoint.model_dump_json())
        transport = self._transports.get(key)
        if transport is None:
            scripted = endpoint.scripted_replies
            transport = ScriptedTransport(name, self._folder / scripted) if scripted else HttpxTransport(name)
            self._transports[key] = transport
        return transport

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

    def _key(self, name: str, endpoint: Endpoint) -> SecretStr | None:
        if endpoint.api_key_env is None:
            return None
        key = self._environment.get(endpoint.api_key_env, "").strip()
        if not key:
            raise KeyRefused(name, f"no key: set the environment variable {endpoint.api_key_env}")
        return SecretStr(key)


def _account(key: str) -> str:
    """Tells keys apart, and gives none away."""
    return hashlib.sha256(f"harness account {key}".encode()).hexdigest()[:12]
