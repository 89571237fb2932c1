"""Which hosts a project's HTTP tools may reach: those it lists, and no other, also not by a redirect."""

import re
from collections.abc import Iterable
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_LISTED = re.compile(rf"(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?")
AUTHORITY = re.compile(rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}))?(?=[/?]|$)")
DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65_535


class Origin(NamedTuple):
    """Where a request goes: the host in lower case, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme, 0) else f"{host}:{self.port}"


def _host_listed(entry: str) -> str:
    match = _LISTED.fullmatch(entry)
    if match is None or not 0 < int(match["port"] or 1) <= _MAX_PORT:
        raise ValueError("name a host as `api.example.com`, or with its port as `127.0.0.1:8080`, without a path")
    return entry


class HttpBlock(BaseModel):
    """What is said of all HTTP tools.

    Args:
        allowed_hosts: `host`, which stands for the port that `https` or `http` usually has, or `host:port`. An IP
            address or `localhost` is a host like any other: it is reached where it is listed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_hosts: tuple[Annotated[str, AfterValidator(_host_listed)], ...] = ()

    def hosts(self) -> "AllowedHosts":
        """As they are asked."""
        return AllowedHosts(self.allowed_hosts)


class AllowedHosts:
    """The hosts that may be reached."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed: frozenset[tuple[str, int | None]] = frozenset(map(_parts, listed))

    def __contains__(self, origin: Origin) -> bool:
        usual = origin.port == DEFAULT_PORTS.get(origin.scheme)
        return (origin.host, origin.port) in self._listed or (usual and (origin.host, None) in self._listed)


def origin_of(url: str) -> Origin | None:
    """The origin that an address begins with; None where it is none that a tool may have.

    A user or a password in it is refused, as is any other way to make a host look like another.
    """
    match = AUTHORITY.match(url)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else DEFAULT_PORTS[match["scheme"]]
    return Origin(match["scheme"], _plain(match["host"]), port) if 0 < port <= _MAX_PORT else None


def _parts(listed: str) -> tuple[str, int | None]:
    match = _LISTED.fullmatch(listed)
    assert match is not None
    return _plain(match["host"]), int(match["port"]) if match["port"] else None


def _plain(host: str) -> str:
    return host.strip("[]").lower()
