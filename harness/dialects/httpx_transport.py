"""The network, through httpx. The only importer of that library."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx

from harness.dialects.wire import WireRequest, WireResponse
from harness.exceptions import Broken, RequestRefused, Unreachable

MAX_RESPONSE_BYTES = 32_000_000
CONNECT_TIMEOUT_SECONDS = 10.0
MAX_PORT = 65_535

# A proxy from the environment is for the world outside: what is served on this machine is never sent through one.
_LOOPBACK: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}


class HttpxTransport:
    """The `Transport` of one endpoint, over one client with its own connections.

    Certificates are verified; proxies and certificate files come from the environment; redirects are not followed,
    so that a key goes nowhere else. The client belongs to the event loop of its first request.

    Args:
        endpoint_name: for errors.
        max_response_bytes: a longer answer, after decompression, is `Broken`.
    """

    def __init__(self, endpoint_name: str, *, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._endpoint_name = endpoint_name
        self._max_response_bytes = max_response_bytes
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: WireRequest) -> WireResponse:
        """Send and wait for the whole answer; see `Transport`.

        Raises:
            Unreachable: no connection.
            Broken: the connection broke after the request left, the answer is too long, or `timeout_seconds` passed.
        """
        try:
            # httpx bounds each read; this bounds a server that sends a byte now and then.
            async with asyncio.timeout(request.timeout_seconds), self.stream(request) as answer:
                return await answer.response()
        except TimeoutError as error:
            raise Broken(self._endpoint_name, f"no answer within {request.timeout_seconds:g} s") from error

    @asynccontextmanager
    async def stream(self, request: WireRequest) -> AsyncGenerator["HttpxStream"]:
        """Send and read the answer as it arrives; `timeout_seconds` bounds each wait for more; see `Transport`."""
        client = self._opened()
        with _our_errors(self._endpoint_name):
            prepared = client.build_request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                timeout=httpx.Timeout(
                    request.timeout_seconds, connect=min(CONNECT_TIMEOUT_SECONDS, request.timeout_seconds)
                ),
            )
            if (prepared.url.port or 0) > MAX_PORT:
                raise RequestRefused(self._endpoint_name, f"port {prepared.url.port} is above {MAX_PORT}")
            response = await client.send(prepared, stream=True)
        try:
            yield HttpxStream(response, self._endpoint_name, self._max_response_bytes)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Release connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        # Late, because reading the certificates takes 20 ms that a run on scripted replies never needs.
        if self._client is None:
            self._client = httpx.AsyncClient(
                mounts=_LOOPBACK,
                headers={"user-agent": "portable-harness"},
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            )
        return self._client


class HttpxStream:
    """The `WireStream` of one httpx response."""

    def __init__(self, response: httpx.Response, endpoint_name: str, max_bytes: int) -> None:
        self._response = response
        self._endpoint_name = endpoint_name
        self._max_bytes = max_bytes

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status_code

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        return {name.lower(): value for name, value in self._response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; see `WireStream`."""
        received = 0
        with _our_errors(self._endpoint_name):
            async for chunk in self._response.aiter_bytes():
                received += len(chunk)
                if received > self._max_bytes:
                    raise Broken(
                        self._endpoint_name, f"the answer is longer than {self._max_bytes:,} bytes", status=self.status
                    )
                yield chunk

    async def response(self) -> WireResponse:
        """The whole answer."""
        return WireResponse(self.status, self.headers, b"".join([chunk async for chunk in self.chunks()]))


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
