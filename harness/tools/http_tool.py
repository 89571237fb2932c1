"""HTTP requests as tools, through one httpx client. The only importer of that library here.

Only listed hosts are reached, also when a server answers with a redirect. Cookies are not kept. What an effect sends
carries `Idempotency-Key`, the same in every repetition, so that a service that knows it does a thing once.
"""

import codecs
import json
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

import httpx

from harness.exceptions import ToolFailed
from harness.json_values import Json, digest_of
from harness.tools.allowed_hosts import DEFAULT_PORTS, AllowedHosts, Origin
from harness.tools.environment_values import value_in, variable_named
from harness.tools.registered import HttpTool as HttpToolSpec
from harness.tools.registered import declaration_of
from harness.tools.request_template import READING, FilledRequest
from harness.tools.tool import ToolCall, ToolSpec

CONNECT_TIMEOUT_SECONDS = 10.0
MAX_REDIRECTS = 5
IDEMPOTENCY_HEADER = "Idempotency-Key"
_LONGEST_KEY = 255  # what services take at least
_SHOWN_CHARACTERS = 500
# Try again: the request came too early or too often, or the service failed on its side.
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOOPBACK: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}


class HttpClient:
    """The one client that HTTP tools share.

    Certificates are verified; a proxy comes from the environment, but for this machine's own addresses. The client
    belongs to the event loop of its first request.
    """

    def __init__(self, allowed: AllowedHosts) -> None:
        self._allowed = allowed
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def sent(
        self, tool: str, request: FilledRequest, headers: Mapping[str, str], secret_headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        """The answer to a request, its body not yet read; redirects of what only reads are followed.

        Args:
            secret_headers: go to the request's own origin alone.

        Raises:
            ToolFailed: a host that is not listed, no connection, too many redirects.
        """
        with _our_errors(tool):
            url, first = httpx.URL(request.url), None
            for _ in range(MAX_REDIRECTS + 1):
                origin = self._reached(tool, url)
                first = first or origin
                given = {**headers, **(secret_headers if origin == first else {})}
                prepared = self._opened().build_request(request.method, url, headers=given, content=request.content)
                answer = await self._opened().send(prepared, stream=True)
                if answer.next_request is None or request.method not in READING:
                    break
                await answer.aclose()
                url = self._redirected(tool, origin, answer.next_request.url)
            else:
                raise ToolFailed(tool, f"it was redirected more than {MAX_REDIRECTS} times")
        try:
            yield answer
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """Release connections; idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _reached(self, tool: str, url: httpx.URL) -> Origin:
        """Where the library that connects would go, which is what counts."""
        origin = _origin(url)
        if origin not in self._allowed or url.userinfo:
            raise ToolFailed(tool, f"host {str(origin)!r} is not listed under `http: allowed_hosts` in harness.yaml")
        return origin

    def _redirected(self, tool: str, origin: Origin, url: httpx.URL) -> httpx.URL:
        if origin.scheme == "https" and url.scheme != "https":
            raise ToolFailed(tool, f"it was redirected from https to {url.scheme}, which anybody could read")
        return url

    def _opened(self) -> httpx.AsyncClient:
        # Late, because reading the certificates takes 20 ms.
        if self._client is None:
            self._client = httpx.AsyncClient(
                mounts=_LOOPBACK,
                headers={"user-agent": "portable-harness", "accept": "application/json, text/*;q=0.9, */*;q=0.1"},
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),  # the call as a whole has its own
                follow_redirects=False,
                # One tool's cookies would go with another's requests, and one person's with another's.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._client


class HttpTool:
    """One request of harness.yaml as a tool.

    Args:
        environment: where its headers' secrets are, read at each call.
    """

    def __init__(self, name: str, said: HttpToolSpec, client: HttpClient, environment: Mapping[str, str]) -> None:
        self._said = said
        self._client = client
        self._environment = environment
        request = said.http
        self._spec = said.spec(
            declaration_of(name, said),
            description=f"{request.method} {request.url.partition('?')[0]}",
            parameters=said.schema_of_arguments,
        )

    @property
    def spec(self) -> ToolSpec:
        """See the port."""
        return self._spec

    async def call(self, call: ToolCall) -> Json:
        """See the port."""
        name = self._spec.name
        request = self._said.http.filled(name, call.arguments)
        headers, secrets = self._headers(call, request)
        async with self._client.sent(name, request, headers, secrets) as answer:
            with _our_errors(name):
                body = await _body(name, answer, self._spec.max_result_bytes)
        return _result(name, answer, body)

    def _headers(self, call: ToolCall, request: FilledRequest) -> tuple[dict[str, str], dict[str, str]]:
        """What is sent with it, and what of that goes to its own origin alone."""
        headers = {"content-type": request.content_type} if request.content_type else {}
        secrets: dict[str, str] = {}
        for header, said in self._said.http.headers.items():
            value = value_in(self._environment, said, tool=self._spec.name, place=f"header {header!r}")
            (headers if variable_named(said) is None else secrets)[header.lower()] = value
        if self._spec.effect:
            headers[IDEMPOTENCY_HEADER.lower()] = _header_key(call.idempotency_key)
        return headers, secrets


def _header_key(key: str) -> str:
    """A key as a header can carry it, and services take it; the same key is always the same header."""
    plain = quote(key, safe="/[]:#-_.~+=@!$&'()*,;")
    return plain if len(plain) <= _LONGEST_KEY else digest_of(key)


def _origin(url: httpx.URL) -> Origin:
    return Origin(url.scheme, url.host.lower(), url.port or DEFAULT_PORTS.get(url.scheme, 0))


async def _body(tool: str, answer: httpx.Response, most: int) -> bytes:
    """The body; too long a one is not read to its end."""
    parts: list[bytes] = []
    received = 0
    async for chunk in answer.aiter_bytes():
        received += len(chunk)
        parts.append(chunk)
        if received > most and answer.is_success:
            raise ToolFailed(tool, f"its answer has more than max_result_bytes={most}: ask for less, or raise that")
        if received > most:
            break  # an error's beginning says enough
    return b"".join(parts)


def _result(tool: str, answer: httpx.Response, body: bytes) -> Json:
    """The body as JSON or as text.

    Raises:
        ToolFailed: a status that is no success, with what the service said; a body that is neither.
    """
    status = answer.status_code
    if not answer.is_success:
        said = body.decode(_charset(answer), "replace").strip()[:_SHOWN_CHARACTERS]
        raise ToolFailed(tool, f"HTTP {status}{f': {said}' if said else ''}", retryable=status in _RETRYABLE)
    if not body:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ToolFailed(tool, f"it says its answer is JSON, which it is not: {error}") from error
    try:
        return body.decode(_charset(answer))
    except UnicodeDecodeError as error:
        raise ToolFailed(tool, f"its answer ({kind or 'of no type'}) is neither JSON nor text") from error


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON value")


def _charset(answer: httpx.Response) -> str:
    """What the service says its text is written in, where that is known here."""
    said = answer.charset_encoding or "utf-8"
    try:
        return codecs.lookup(said).name
    except LookupError:
        return "utf-8"


@contextmanager
def _our_errors(tool: str) -> Generator[None]:
    """Turn httpx's errors into ours; those of an address that is none cannot be helped by trying again."""
    try:
        yield
    except (
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        OverflowError,
        UnicodeError,
    ) as error:
        raise ToolFailed(tool, f"the request cannot be sent: {error}") from error
    except httpx.TimeoutException as error:
        raise ToolFailed(tool, "the service cannot be reached in time", retryable=True) from error
    except (httpx.ConnectError, httpx.ProxyError) as error:
        raise ToolFailed(tool, f"no connection: {error}", retryable=True) from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        said = str(error) or type(error).__name__
        raise ToolFailed(tool, f"the connection broke: {said}", retryable=True) from error
