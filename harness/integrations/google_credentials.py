# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAny=false, reportExplicitAny=false
"""Google's application default credentials for Vertex AI, by google-auth, which does nothing else here.

They come from where Google's own tools find them: the file of GOOGLE_APPLICATION_CREDENTIALS, gcloud's sign-in, the
machine's service account. That file is looked up in the environment that is passed in, the rest in the process's own.

Source: https://cloud.google.com/docs/authentication/application-default-credentials
"""

import asyncio
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.dialects.wire import WireRequest
from harness.dialects.wire_json import parse_object, text_at
from harness.exceptions import KeyRefused, Unreachable

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_LOOKED_FOR = f"the file of {_FILE}, gcloud's sign-in (gcloud auth application-default login) and the machine's account"
_TELLS_APART = ("service_account_email", "client_id", "refresh_token")
_MISSING = "Google's credentials need google-auth: pip install portable-harness[vertex]"


class GoogleSigner:
    """Implements `RequestSigner` with access tokens, renewed before they end.

    Args:
        endpoint: the catalogue's name of the endpoint.
        environment: where the credentials' file is looked up first.
    """

    def __init__(self, endpoint: str, environment: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._environment = environment
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._account = ""

    async def ready(self) -> "GoogleSigner":
        """Look for credentials now, outside the event loop, so that `account` does not have to wait.

        Raises:
            KeyRefused: there are none, or google-auth is not installed.
        """
        await asyncio.to_thread(self._resolved)
        return self

    @property
    def account(self) -> str:
        """A digest of the account that asks.

        Looks for credentials if nobody has yet, which may wait for the network; `ready` does it elsewhere.

        Raises:
            KeyRefused: as `ready`.
        """
        self._resolved()
        return self._account

    async def signed(self, request: WireRequest) -> WireRequest:
        """The request with an access token; see `RequestSigner`.

        Raises:
            KeyRefused: the token cannot be renewed.
            Unreachable: the service that renews it was not reached; a retry can help.
        """
        # In a thread, because renewing asks a service; a token that is fresh does not wait for one.
        credentials = self._credentials
        if credentials is None or not _fresh(credentials):
            credentials = await asyncio.to_thread(self._renewed)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
        credentials.apply(headers)
        return replace(request, headers=headers)

    def _renewed(self) -> Any:
        credentials = self._resolved()
        # Late: google-auth is an extra, and its transport brings an HTTP client of its own.
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        with self._lock:
            if _fresh(credentials):
                return credentials
            try:
                credentials.refresh(Request())
            except TransportError as error:
                message = f"Google's token service was not reached ({type(error).__name__})"
                raise Unreachable(self._endpoint, message) from error
            except GoogleAuthError as error:
                # What the token service said is not shown: it may repeat what it was sent.
                message = f"Google's access token cannot be renewed ({type(error).__name__}): sign in again"
                raise KeyRefused(self._endpoint, message) from error
        return credentials

    def _resolved(self) -> Any:
        """The credentials, looked for once.

        Raises:
            KeyRefused: there are none, or google-auth is not installed.
        """
        with self._lock:
            if self._credentials is None:
                credentials, project = self._found()
                named = [getattr(credentials, name, None) for name in _TELLS_APART]
                told = ":".join(["google", project or "", *(str(value) for value in named if value)])
                self._account = hashlib.sha256(told.encode()).hexdigest()[:16]
                self._credentials = credentials
            return self._credentials

    def _found(self) -> tuple[Any, str | None]:
        # Late: google-auth is an extra.
        try:
            import google.auth
            from google.auth.exceptions import GoogleAuthError
        except ImportError as error:
            raise KeyRefused(self._endpoint, _MISSING) from error
        try:
            named = self._environment.get(_FILE)
            return (_of_file(Path(named)) if named else None) or google.auth.default(scopes=list(SCOPES))
        except (GoogleAuthError, OSError, ValueError) as error:
            reason = "no Google credentials" if not self._environment.get(_FILE) else "Google's credentials file fails"
            message = f"{reason} ({type(error).__name__}); looked for {_LOOKED_FOR}"
            raise KeyRefused(self._endpoint, message) from error


def _of_file(path: Path) -> tuple[Any, str | None] | None:
    """The credentials of a file; None for a kind that google-auth must find by itself.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    # Late: google-auth is an extra.
    from google.oauth2 import credentials, service_account

    told = parse_object(path.read_bytes())
    kind = text_at(told, "type")
    if kind == "service_account":
        found = service_account.Credentials.from_service_account_info(told, scopes=list(SCOPES))
        return found, text_at(told, "project_id") or None
    if kind == "authorized_user":
        return credentials.Credentials.from_authorized_user_info(told, scopes=list(SCOPES)), None
    return None


def _fresh(credentials: Any) -> bool:
    # Late: google-auth is an extra.
    from google.auth.credentials import TokenState

    return credentials.token_state is TokenState.FRESH
