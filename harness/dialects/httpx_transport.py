# pyright: reportPrivateImportUsage=false
"""The network, through httpx and the connections below it, httpcore's. The only importer of these.

httpx's client is left out, because it costs 0.4 ms of CPU a request, for redirects, cookies and hooks that are not wanted
here; httpx's own transport costs 0.1 ms and lets nobody choose the sockets (`asyncio_network`). What is httpx's here are
addresses, certificates, proxies and decompression.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx
from typing_extensions import override

from harness.dialects.asyncio_network import AsyncioBackend
from harness.dialects.wire import WireRequest, WireResponse
from harness.exceptions import Broken, RequestRefused, Unreachable

MAX_RESPONSE_BYTES = 32_000_000
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_PORT = 65_535
_MAX_IDLE_CONNECTIONS = 20
# Many servers hang up soon after; a connection that is given up earlier is never found dead.
_IDLE_SECONDS = 5.0

# What httpx's client says of itself too; a request's own headers take their place.
_HEADERS = {
    "accept": "*/*",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
    "user-agent": "portable-harness",
}

# A proxy from the environment is for the world outside: what is served on this machine is never sent through one.
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class HttpxTransport:
    """The `Transport` of one endpoint, with its own connections.

    Certificates are verified; proxies and certificate files come from the environment; redirects are not followed,
    so that a key goes nowhere else, and no cookies are kept. The connections belong to the event loop of the first
    request.

    Args:
        endpoint_name: for errors.
        max_response_bytes: a longer answer, after decompression, is `Broken`.
    """

    def __init__(self, endpoint_name: str, *, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._endpoint_name = endpoint_name
        self._max_response_bytes = max_response_bytes
        # By the way that a request takes: whether it is encrypted, and through which proxy.
        self._pools: dict[tuple[bool, str | None], httpcore.AsyncConnectionPool] = {}
        self._proxies: dict[str, str] | None = None

    async def send(self, request: WireRequest) -> WireResponse:
        """Send and wait for the whole answer; see `Transport`.

        Raises:
            Unreachable: no connection.
            Broken: the connection broke after the request left, the answer is too long, or `timeout_seconds` passed.
        """
        try:
            # Each read is bounded by itself; this bounds a server that sends a byte now and then.
            async with asyncio.timeout(request.timeout_seconds), self.stream(request) as answer:
                return await answer.response()
        except TimeoutError as error:
            raise Broken(self._endpoint_name, f"no answer within {request.timeout_seconds:g} s") from error

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncGenerator["HttpxStream"]:
        """Send and read the answer as it arrives; `timeout_seconds` bounds each wait for more; see `Transport`."""
        with _our_errors(self._endpoint_name):
            address = _address(request.url)
            if address.port > MAX_PORT:
                raise RequestRefused(self._endpoint_name, f"port {address.port} is above {MAX_PORT}")
            response = await self._pool(address).handle_async_request(_prepared(request, address))
        try:
            yield HttpxStream(response, self._endpoint_name, self._max_response_bytes)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Release connections; idempotent."""
        pools, self._pools, self._proxies = self._pools, {}, None
        for pool in pools.values():
            await pool.aclose()

    def _pool(self, address: "_Address") -> httpcore.AsyncConnectionPool:
        # Late, because reading the certificates takes 20 ms that a run on scripted replies never needs.
        if self._proxies is None:
            self._proxies = getproxies()
        way = (address.encrypted, _proxy_for(address, self._proxies))
        if way not in self._pools:
            self._pools[way] = _opened_pool(*way)
        return self._pools[way]


class HttpxStream:
    """The `WireStream` of one response."""

    def __init__(self, response: httpcore.Response, endpoint_name: str, max_bytes: int) -> None:
        self._response = response
        self._endpoint_name = endpoint_name
        self._max_bytes = max_bytes
        self._headers = _headers_of(response)

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        return self._headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; see `WireStream`."""
        received = 0
        with _our_errors(self._endpoint_name):
            async for chunk in self._decompressed():
                received += len(chunk)
                if received > self._max_bytes:
                    raise Broken(
                        self._endpoint_name, f"the answer is longer than {self._max_bytes:,} bytes", status=self.status
                    )
                yield chunk

    async def response(self) -> WireResponse:
        """The whole answer."""
        return WireResponse(self.status, self._headers, b"".join([chunk async for chunk in self.chunks()]))

    def _decompressed(self) -> AsyncIterable[bytes]:
        assert isinstance(self._response.stream, AsyncIterable)
        # A body that came as it is need not pass httpx, which costs 4 us a chunk.
        if self._headers.get("content-encoding", "identity") == "identity":
            return self._response.stream
        body = _Body(self._response.stream)
        return httpx.Response(self.status, headers=self._response.headers, stream=body).aiter_bytes()


class _Body(httpx.AsyncByteStream):
    """A body as httpx wants it."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = pieces

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a request goes, in the words of httpcore.

    Args:
        port: as it was written, else 0.
        authorization: of a user and password in the address.
    """

    url: httpcore.URL
    host: str
    host_header: bytes
    port: int
    encrypted: bool
    authorization: bytes | None


# An endpoint has few addresses, and reading one takes 80 us.
@lru_cache(maxsize=256)
def _address(text: str) -> _Address:
    """Read an address.

    Raises:
        httpx.InvalidURL, httpcore.UnsupportedProtocol: it is none.
    """
    url = httpx.URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise httpcore.UnsupportedProtocol("an address begins with http:// or https:// and a host")
    user = ":".join(map(unquote, url.userinfo.decode("ascii").partition(":")[::2]))
    return _Address(
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        host=url.host,
        host_header=url.netloc,
        port=url.port or 0,
        encrypted=url.scheme == "https",
        authorization=b"Basic " + base64.b64encode(user.encode()) if url.userinfo else None,
    )


def _prepared(request: WireRequest, address: _Address) -> httpcore.Request:
    given = {name.lower(): value for name, value in request.headers.items()}
    headers = [(b"host", address.host_header)] if "host" not in given else []
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in (_HEADERS | given).items()]
    if address.authorization is not None:
        headers = [(name, value) for name, value in headers if name != b"authorization"]
        headers.append((b"authorization", address.authorization))
    if "content-length" not in given and (request.body or request.method in ("POST", "PUT", "PATCH")):
        headers.append((b"content-length", b"%d" % len(request.body)))
    seconds = request.timeout_seconds
    times = {"connect": min(CONNECT_TIMEOUT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
    return httpcore.Request(
        request.method, address.url, headers=headers, content=request.body, extensions={"timeout": times}
    )


def _headers_of(response: httpcore.Response) -> dict[str, str]:
    """Names in lower case; of one that came several times all values."""
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key, words = name.decode("ascii").lower(), _header_text(value)
        headers[key] = f"{headers[key]}, {words}" if key in headers else words
    return headers


def _header_text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _proxy_for(address: _Address, proxies: Mapping[str, str]) -> str | None:
    """The environment's proxy for an address, if it is to go through one."""
    proxy = proxies.get("https" if address.encrypted else "http") or proxies.get("all")
    if not proxy or address.host in _LOOPBACK or proxy_bypass(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _opened_pool(encrypted: bool, proxy: str | None) -> httpcore.AsyncConnectionPool:
    return httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context() if encrypted else None,
        proxy=None if proxy is None else _opened_proxy(proxy),
        max_connections=None,
        max_keepalive_connections=_MAX_IDLE_CONNECTIONS,
        keepalive_expiry=_IDLE_SECONDS,
        network_backend=AsyncioBackend(),
    )


def _opened_proxy(text: str) -> httpcore.Proxy:
    named = httpx.Proxy(text)
    url = named.url
    return httpcore.Proxy(
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        auth=named.raw_auth,
        headers=named.headers.raw,
        ssl_context=httpx.create_ssl_context() if url.scheme == "https" else None,
    )


@contextmanager
def _our_errors(endpoint_name: str) -> Generator[None]:
    """Turn the library's errors into ours: before the request left `Unreachable`, afterwards `Broken`."""
    try:
        yield
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError) as error:
        raise Unreachable(endpoint_name, f"no connection: {_words(error)}") from error
    # The last two come from the sockets below: a port out of range, a host name that is none.
    except (
        httpx.InvalidURL,
        httpcore.UnsupportedProtocol,
        httpcore.LocalProtocolError,
        OverflowError,
        UnicodeError,
    ) as error:
        raise RequestRefused(endpoint_name, f"the request cannot be sent: {_words(error)}") from error
    except httpcore.TimeoutException as error:
        raise Broken(endpoint_name, f"timed out after the request left: {_words(error)}") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpx.HTTPError, httpx.StreamError) as error:
        raise Broken(endpoint_name, f"the connection broke after the request left: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What the library says; its timeouts say nothing but their class."""
    return str(error) or type(error).__name__
