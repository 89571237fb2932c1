# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAny=false, reportExplicitAny=false
"""AWS credentials and Signature Version 4 for Bedrock, by botocore, which does nothing else here.

Credentials come from where AWS's own tools find them: keys in the environment, then the profile, single sign-on, web
identity, container and instance. Keys, profile and the files' places are read from the environment that is passed in;
what botocore reads by itself (roles, containers, the instance's service) from the process's own.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import asyncio
import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from harness.dialects.wire import WireRequest
from harness.exceptions import KeyRefused, Unreachable

_SERVICE = "bedrock"
_REGION_IN_HOST = re.compile(r"(?:^|\.)bedrock(?:-[a-z]+)*\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.")
_LOOKED_FOR = (
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile of AWS_PROFILE, single sign-on, web identity, container "
    "and instance"
)


class AwsSigner:
    """Implements `RequestSigner` with AWS's credentials, which renew themselves.

    Args:
        endpoint: the catalogue's name of the endpoint.
        environment: where keys, profile and region are looked up first.
    """

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._environment = environment
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._region: str | None = None
        self._account = ""

    async def ready(self) -> "AwsSigner":
        """Look for credentials now, outside the event loop, so that `account` does not have to wait.

        Raises:
            KeyRefused: there are none, or botocore is not installed.
        """
        await asyncio.to_thread(self._resolved)
        return self

    @property
    def account(self) -> str:
        """A digest of the account, or of the access key where the account is not known.

        Temporary keys change every hour, accounts do not. Looks for credentials if nobody has yet, which may wait for
        the network; `ready` does it elsewhere.

        Raises:
            KeyRefused: as `ready`.
        """
        self._resolved()
        return self._account

    async def signed(self, request: WireRequest) -> WireRequest:
        """The request with AWS's headers; see `RequestSigner`."""
        if self._lasts():
            return self._signed(request)
        # In a thread, because renewing asks a service.
        return await asyncio.to_thread(self._signed, request)

    def _lasts(self) -> bool:
        """Whether keys are there that need not be renewed now; a thread costs more than the signature."""
        credentials = self._credentials
        if credentials is None:
            return False
        renewing = getattr(credentials, "refresh_needed", None)
        return renewing is None or not renewing()

    def _signed(self, request: WireRequest) -> WireRequest:
        frozen = self._frozen(self._resolved())
        region = self._region_of(request.url)
        # Late: botocore takes a second to import and is an extra.
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # A bearer token that the dialect wrote is the other way to prove oneself; the signature takes its place.
        headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        prepared = AWSRequest(method=request.method, url=request.url, headers=headers, data=request.body)
        SigV4Auth(frozen, _SERVICE, region).add_auth(prepared)
        return replace(request, headers=dict(prepared.headers.items()))

    def _frozen(self, credentials: Any) -> Any:
        """The keys of now; a role's are fetched or renewed here.

        Raises:
            KeyRefused: the service that gives them does not.
            Unreachable: it cannot be reached.
        """
        # Late: as above.
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as NoConnection

        try:
            return credentials.get_frozen_credentials()
        except (NoConnection, HTTPClientError) as error:
            message = f"the service that gives AWS credentials cannot be reached ({type(error).__name__})"
            raise Unreachable(self._endpoint, message) from error
        except (BotoCoreError, ClientError) as error:
            message = f"the AWS credentials cannot be fetched or renewed ({type(error).__name__}): sign in again"
            raise KeyRefused(self._endpoint, message) from error

    def _region_of(self, url: str) -> str:
        """The region that the address names, else the environment's, else the profile's.

        Raises:
            KeyRefused: none of them names one.
        """
        named = _REGION_IN_HOST.search(urlsplit(url).hostname or "")
        variables = (self._environment.get("AWS_REGION"), self._environment.get("AWS_DEFAULT_REGION"))
        region = named.group(1) if named else next(filter(None, variables), self._region)
        if not region:
            message = "no AWS region: name it in base_url (bedrock-runtime.REGION.amazonaws.com) or set AWS_REGION"
            raise KeyRefused(self._endpoint, message)
        return region

    def _resolved(self) -> Any:
        """The credentials, looked for once.

        Raises:
            KeyRefused: there are none, or botocore is not installed.
        """
        with self._lock:
            if self._credentials is None:
                credentials, self._region = self._found()
                frozen = self._frozen(credentials)
                told = frozen.account_id or frozen.access_key
                self._account = hashlib.sha256(f"aws:{told}".encode()).hexdigest()[:16]
                self._credentials = credentials
            return self._credentials

    def _found(self) -> tuple[Any, str | None]:
        # Late: botocore takes a second to import and is an extra.
        try:
            from botocore.credentials import EnvProvider
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ImportError as error:
            message = "signing for AWS needs botocore: pip install portable-harness[bedrock]"
            raise KeyRefused(self._endpoint, message) from error
        try:
            session = Session()
            for variable, name in _SETTINGS.items():
                if value := self._environment.get(variable):
                    session.set_config_variable(name, value)
            keys = EnvProvider(environ=dict(self._environment)).load()
            credentials = keys or self._from_chain(session)
            region = session.get_config_variable("region")
        except BotoCoreError as error:
            raise KeyRefused(self._endpoint, f"the AWS credentials cannot be read: {error}") from error
        if credentials is None:
            raise KeyRefused(self._endpoint, f"no AWS credentials; looked for {_LOOKED_FOR}")
        return credentials, region if isinstance(region, str) else None

    def _from_chain(self, session: Any) -> Any:
        chain = session.get_component("credential_provider")
        if self._environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            chain.remove("iam-role")
        return chain.load_credentials()


# What botocore would read from the process's own environment.
_SETTINGS = {
    "AWS_DEFAULT_PROFILE": "profile",
    "AWS_PROFILE": "profile",
    "AWS_CONFIG_FILE": "config_file",
    "AWS_SHARED_CREDENTIALS_FILE": "credentials_file",
}
