"""Where an endpoint's key is: an environment variable or a file. One of the few places that read one.

What signs requests with credentials of AWS or Google is in `harness.integrations`.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from harness.exceptions import KeyRefused
from harness.models.catalogue import AuthName, Endpoint

MAX_KEY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class EndpointKeys:
    """Reads keys each time anew, so that one that is renewed is used from the next call on.

    Args:
        folder: where relative paths of key files start.
    """

    folder: Path
    environment: Mapping[str, str]

    def key(self, name: str, endpoint: Endpoint) -> SecretStr | None:
        """The key of an endpoint: of its variable where that is set, else of its file; None where it names neither.

        A file that others may read is taken all the same: who may read it is for whoever made it, and a secret that a
        container is given is often so.

        Raises:
            KeyRefused: neither is there, or the file cannot be used; the message names what was looked for.
        """
        if endpoint.api_key_env is None and endpoint.api_key_file is None:
            return None
        key = self._of_variable(endpoint.api_key_env)
        if key or endpoint.api_key_file is None:
            if not key:
                raise KeyRefused(name, f"no key: set the environment variable {endpoint.api_key_env}")
            return SecretStr(key)
        try:
            return SecretStr(self._of_file(endpoint.api_key_file))
        except _NoKey as reason:
            other = f", or set the environment variable {endpoint.api_key_env}" if endpoint.api_key_env else ""
            raise KeyRefused(name, f"no key: {reason}{other}") from None

    def is_set(self, name: str, endpoint: Endpoint) -> bool | None:
        """Whether the key is there; None where none is named, or where AWS's or Google's own tools find credentials."""
        try:
            return None if endpoint.auth is not AuthName.KEY or self.key(name, endpoint) is None else True
        except KeyRefused:
            return False

    def _of_variable(self, variable: str | None) -> str:
        return self.environment.get(variable, "").strip() if variable else ""

    def _of_file(self, named: str) -> str:
        try:
            path = self.folder / Path(named).expanduser()
            # A pipe would be waited for, and gives its content once.
            if not stat.S_ISREG(path.stat().st_mode):
                raise _NoKey(f"{str(path)!r} is not a file")
            with path.open("rb") as file:
                content = file.read(MAX_KEY_BYTES + 1)
        except RuntimeError:
            raise _NoKey(f"`~` has no meaning here: write the whole path in place of {named!r}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "no path of a file"
            raise _NoKey(f"{named!r} cannot be read: {reason}") from None
        return _text_of(content, path)


class _NoKey(Exception):
    """Why a file gives no key; never with what is in it."""


def _text_of(content: bytes, path: Path) -> str:
    if len(content) > MAX_KEY_BYTES:
        raise _NoKey(f"{str(path)!r} is longer than {MAX_KEY_BYTES:,} bytes: it is to hold the key and nothing else")
    try:
        key = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        # Not chained: the error holds the file's bytes.
        raise _NoKey(f"{str(path)!r} holds no text") from None
    if not key:
        raise _NoKey(f"{str(path)!r} is empty")
    if len(key.splitlines()) > 1:
        raise _NoKey(f"{str(path)!r} has several lines: it is to hold the key and nothing else")
    return key
