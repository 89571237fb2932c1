"""The network, through httpx's transports. The only importer of that library.

httpx's client is left out: it costs 0.4 ms of CPU a request for redirects, cookies and hooks that are not wanted here.
What it would do with a proxy of the environment is done here, by the standard library's reading of it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import httpx

from harness.dialects.wire import WireRequest, WireResponse
from harness.exceptions import Broken, RequestRefused, Unreachable

MAX_RESPONSE_BYTES = 32_000_000
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_PORT = 65_535
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)

# What httpx's client says of itself too; a request's own headers take their place.
_HEADERS = {"accept": "*/*", "accept-encoding": "gzip, deflate", "user-agent": "portable-harness"}

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
        # By the proxy that a request goes through; None goes straight.
        self._ways: dict[str | None, httpx.AsyncHTTPTransport] = {}
        self._proxies: dict[str, str] | None = None

    async def send(self, request: WireRequest) -> WireResponse:
        """Send and wait for the whole answer; see `Transport`.

        Raises:
            Unreachable: no connection.
            Broken: the connection broke after the request left, the answer is too long, or `timeout_seconds` passed.
            RequestRefused: the address, or the environment's proxy or certificates, cannot be used; nothing was sent.
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
            if (address.port or 0) > MAX_PORT:
                raise RequestRefused(self._endpoint_name, f"port {address.port} is above {MAX_PORT}")
            response = await self._way(address).handle_async_request(_prepared(request, address))
        try:
            yield HttpxStream(response, self._endpoint_name, self._max_response_bytes)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Release connections; idempotent."""
        ways, self._ways, self._proxies = self._ways, {}, None
        for way in ways.values():
            await way.aclose()

    def _way(self, address: httpx.URL) -> httpx.AsyncHTTPTransport:
        # Late, because reading the certificates takes 20 ms that a run on scripted replies never needs.
        if self._proxies is None:
            self._proxies = getproxies()
        proxy = _proxy_for(address, self._proxies)
        if proxy not in self._ways:
            self._ways[proxy] = self._opened(proxy)
        return self._ways[proxy]

    def _opened(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        try:
            return httpx.AsyncHTTPTransport(proxy=proxy, limits=_LIMITS)
        except OSError as error:
            reason = f"its certificates cannot be read: {error}; look at SSL_CERT_FILE and SSL_CERT_DIR"
            raise RequestRefused(self._endpoint_name, f"nothing was sent: {reason}") from error
        # A scheme that is none, or one whose package is not installed. The address may hold a password: not shown.
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            reason = "the proxy of the environment cannot be used; look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
            raise RequestRefused(self._endpoint_name, f"nothing was sent: {reason}") from error


class HttpxStream:
    """The `WireStream` of one response."""

    def __init__(self, response: httpx.Response, endpoint_name: str, max_bytes: int) -> None:
        self._response = response
        self._endpoint_name = endpoint_name
        self._max_bytes = max_bytes
        self._headers = {name.lower(): value for name, value in response.headers.items()}

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""
        return self._headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; see `WireStream`."""
        received = 0
        with _our_errors(self._endpoint_name):
            async for chunk in self._pieces():
                received += len(chunk)
                if received > self._max_bytes:
                    raise Broken(
                        self._endpoint_name, f"the answer is longer than {self._max_bytes:,} bytes", status=self.status
                    )
                yield chunk

    async def response(self) -> WireResponse:
        """The whole answer."""
        return WireResponse(self.status, self._headers, b"".join([chunk async for chunk in self.chunks()]))

    def _pieces(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        # A body that came as it is need not pass the decompression, which costs 4 us a chunk.
        if self._headers.get("content-encoding", "identity") == "identity" and isinstance(
            stream, httpx.AsyncByteStream
        ):
            return aiter(stream)
        return self._response.aiter_bytes()


# An endpoint has few addresses, and reading one takes 80 us.
@lru_cache(maxsize=256)
def _address(text: str) -> httpx.URL:
    """Read an address.

    Raises:
        httpx.InvalidURL, httpx.UnsupportedProtocol: it is none.
    """
    url = httpx.URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise httpx.UnsupportedProtocol("an address begins with http:// or https:// and a host")
    return url


def _prepared(request: WireRequest, address: httpx.URL) -> httpx.Request:
    seconds = request.timeout_seconds
    times = {"connect": min(CONNECT_TIMEOUT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
    headers = _HEADERS | {name.lower(): value for name, value in request.headers.items()}
    return httpx.Request(request.method, address, headers=headers, content=request.body, extensions={"timeout": times})


def _proxy_for(address: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """The environment's proxy for an address, if it is to go through one."""
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy or address.host in _LOOPBACK or proxy_bypass(address.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@contextmanager
def _our_errors(endpoint_name: str) -> Generator[None]:
    """Turn httpx's errors into ours: before the request left `Unreachable`, afterwards `Broken`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        raise Unreachable(endpoint_name, f"no connection: {_words(error)}") from error
    # The last two come from the sockets below: a port out of range, a host name that is none.
    except (
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        OverflowError,
        UnicodeError,
    ) as error:
        raise RequestRefused(endpoint_name, f"the request cannot be sent: {_words(error)}") from error
    except httpx.TimeoutException as error:
        raise Broken(endpoint_name, f"timed out after the request left: {_words(error)}") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Broken(endpoint_name, f"the connection broke after the request left: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What httpx says; its timeouts say nothing but their class."""
    return str(error) or type(error).__name__
