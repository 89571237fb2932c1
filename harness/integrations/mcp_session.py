"""One open session with one MCP server: its tools, calls to them, and its end.

Servers of both generations are spoken to: 2026-07-28 (`server/discover`, no session) is tried first, then the
handshake of 2025-11-25 and before. A call carries `_meta: {"idempotencyKey": KEY}`, the same in each repetition of
that call and in no other, so that a server can tell a repetition; nothing is ever sent twice from here.

What a server asks of its client (a model's answer, words of the user, folders) is declined: a tool gets arguments.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from mcp.client.session import ClientSession, IncomingMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    UNSUPPORTED_PROTOCOL_VERSION,
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from pydantic import ValidationError

from harness.exceptions import ToolFailed
from harness.integrations.mcp_answers import Answer, WireNotes, bytes_on_wire, current_answer
from harness.integrations.mcp_failures import SessionFailures, connection_closed, session_forgotten
from harness.integrations.mcp_http import http_streams
from harness.integrations.mcp_listing import ListedTool, WrittenTool, listed_tools
from harness.integrations.mcp_results import plain_answer
from harness.integrations.mcp_stdio import inherited_environment, process_streams
from harness.json_values import Json, JsonObject
from harness.tools.environment_values import value_in
from harness.tools.mcp_server_spec import McpServerSpec
from harness.tools.redaction import Redactor

IDEMPOTENCY_META = "idempotencyKey"
MAX_LISTING_BYTES = 4_000_000
MAX_TOOLS = 1_000
MAX_PAGES = 100

# A server of the older protocol may leave a request that it does not know unanswered.
_PROBE_SECONDS = 10.0
_CLOSE_SECONDS = 10.0
_LISTING_SECONDS = 30.0

# The library logs what servers sent, unescaped, and without a handler such lines go to the terminal. A host that
# wants them still gets them through its own handlers. `client` is what the library calls one of its loggers.
for _name in ("mcp", "client"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

_Result = TypeVar("_Result")


class McpSession:
    """A session that is open; it belongs to the event loop that it was opened in.

    Use `open_session`. A task of its own holds the library's scopes open, because those have to be left by the task
    that entered them, and calls come from any.
    """

    def __init__(self, server: str, spec: McpServerSpec, redactor: Redactor) -> None:
        self._server = server
        self._spec = spec
        self._notes = WireNotes()
        self._failures = SessionFailures(server, spec, self._notes, redactor.text)
        self._over = asyncio.Event()
        self._ready: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._owner: asyncio.Task[None] | None = None
        self._opening = Answer(MAX_LISTING_BYTES)
        self.tools_changed = True
        """Whether the server said, or did something that says, that its tools may not be what they were."""

    @property
    def ended(self) -> bool:
        """Whether the server is gone; nothing can be asked any more."""
        return self._over.is_set() or self._owner is None or self._owner.done() or self._notes.ended is not None

    async def open(self, environment: Mapping[str, str], folder: Path) -> None:
        """Start or reach the server; see `open_session`."""
        owner = self._owner = asyncio.create_task(self._own(self._streams(environment, folder)))
        # What it ends with is read where somebody asks; a session that breaks while idle is no unhandled error.
        owner.add_done_callback(lambda done: done.cancelled() or done.exception())
        seconds = self._spec.timeout_seconds
        try:
            await asyncio.wait({owner, self._ready}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.close()
            raise
        if self._ready.done() and not self._ready.cancelled():
            return
        timed_out = not owner.done()
        await self.close()
        if timed_out or owner.cancelled():
            raise self._failures.too_late(self._server, seconds)
        raise self._failures.not_opened(_first_of(owner.exception()), self._opening)

    async def listed(self) -> dict[str, ListedTool]:
        """The server's tools by name, asked for now.

        Raises:
            ToolFailed: it does not list them, or not in words of the protocol.
        """
        self.tools_changed = False
        seconds = min(_LISTING_SECONDS, self._spec.timeout_seconds)
        try:
            return listed_tools(await self._asked(self._server, self._pages, seconds, Answer(MAX_LISTING_BYTES)))
        except BaseException:
            self.tools_changed = True
            raise

    async def call(self, tool: str, arguments: JsonObject, idempotency_key: str) -> Json:
        """Call a tool, once.

        Raises:
            ToolFailed: in its own words, or in words of what happened to the call; `retryable` where the server went
                away or was silent, so that the caller may repeat the call under the same key.
        """
        name = f"{self._server}.{tool}"

        async def ask(session: ClientSession) -> object:
            meta: Any = {IDEMPOTENCY_META: idempotency_key}
            return await session.call_tool(tool, dict(arguments), meta=meta, allow_input_required=True)

        limit = self._spec.max_result_bytes
        result = await self._asked(name, ask, self._spec.timeout_seconds, Answer.to_call(limit))
        if not isinstance(result, CallToolResult):
            raise ToolFailed(name, "it wants to ask the user or a model first, which a tool here cannot")
        try:
            return plain_answer(name, result, max_result_bytes=limit)
        except ToolFailed as failed:
            raise self._failures.failed(name, failed.reason) from None

    async def close(self) -> None:
        """End the session, and the server where it is a process of ours; idempotent."""
        self._over.set()
        owner = self._owner
        if owner is None or owner is asyncio.current_task():
            return
        if not self._ready.done():
            owner.cancel()
        _, late = await asyncio.wait({owner}, timeout=_CLOSE_SECONDS)
        if late:
            owner.cancel()
            await asyncio.wait({owner}, timeout=_CLOSE_SECONDS)

    async def _own(self, streams: Any) -> None:
        """Hold the session open until it is over."""
        current_answer.set(self._opening)
        try:
            async with streams as (read, write), self._client(read, write) as session:
                await _negotiate(session, min(_PROBE_SECONDS, self._spec.timeout_seconds / 3))
                self._ready.set_result(session)
                await self._over.wait()
        finally:
            self._over.set()
            if not self._ready.done():
                self._ready.cancel()

    def _client(self, read: Any, write: Any) -> ClientSession:
        return ClientSession(
            read,
            write,
            message_handler=self._heard,
            client_info=Implementation(name="portable-harness", version="1"),
        )

    def _streams(self, environment: Mapping[str, str], folder: Path) -> Any:
        spec, server = self._spec, self._server
        if spec.command is not None:
            given = {
                name: value_in(environment, value, tool=server, place=f"variable {name!r}")
                for name, value in spec.env.items()
            }
            return process_streams(spec.command, inherited_environment(environment) | given, folder, self._notes)
        assert spec.url is not None
        headers = {
            name: value_in(environment, value, tool=server, place=f"header {name!r}")
            for name, value in spec.headers.items()
        }
        longest = max(MAX_LISTING_BYTES, bytes_on_wire(spec.max_result_bytes))
        return http_streams(spec.url, headers, timeout_seconds=spec.timeout_seconds, max_event_bytes=longest)

    async def _heard(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.tools_changed = True

    async def _pages(self, session: ClientSession) -> list[WrittenTool]:
        written: list[WrittenTool] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            written += [
                WrittenTool(tool.name, tool.description or "", tool.input_schema, tool.output_schema)
                for tool in page.tools
            ]
            if len(written) > MAX_TOOLS:
                raise ToolFailed(self._server, f"it lists more than {MAX_TOOLS:,} tools")
            cursor = page.next_cursor
            if not cursor:
                return written
        raise ToolFailed(self._server, f"its list of tools has no end after {MAX_PAGES} pages")

    async def _asked(
        self, name: str, ask: Callable[[ClientSession], Awaitable[_Result]], seconds: float, answer: Answer
    ) -> _Result:
        """What the server answers to one request, or in our words why it does not."""
        token = current_answer.set(answer)
        try:
            async with asyncio.timeout(seconds):
                return await ask(self._ready.result())
        except asyncio.CancelledError:
            # The caller's time was up, perhaps because the server hangs: the next one looks before it sends.
            self.tools_changed = True
            raise
        except TimeoutError as error:
            self.tools_changed = True
            raise self._failures.too_late(name, seconds) from error
        except MCPError as error:
            await self._came_back(error, answer)
            raise self._failures.refused(name, error, answer) from error
        except ValidationError as error:
            raise self._failures.outside_protocol(name, error) from error
        except RuntimeError as error:
            raise self._failures.broken_promise(name, error) from error
        finally:
            current_answer.reset(token)

    async def _came_back(self, error: MCPError, answer: Answer) -> None:
        """Draw from an error what it means for the session."""
        self.tools_changed = self.tools_changed or answer.bytes_too_many is None
        if session_forgotten(error, answer):
            self._over.set()
        elif connection_closed(error):
            self._over.set()
            if self._owner is not None:
                # Its end tells why.
                await asyncio.wait({self._owner}, timeout=_CLOSE_SECONDS)


def _first_of(error: BaseException | None) -> BaseException | None:
    """What an error began with, where a library's task group wrapped it."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


async def open_session(
    server: str, spec: McpServerSpec, *, environment: Mapping[str, str], folder: Path, redactor: Redactor
) -> McpSession:
    """Start or reach a server.

    Args:
        environment: where `env:NAME` is looked up, and what a process is given a few variables of.
        folder: where a process is started.

    Raises:
        ToolFailed: it cannot be started or reached, or does not speak the protocol.
    """
    session = McpSession(server, spec, redactor)
    await session.open(environment, folder)
    return session


async def _negotiate(session: ClientSession, probe_seconds: float) -> None:
    """Find the generation of the protocol that a server speaks, the newer one first."""
    try:
        async with asyncio.timeout(probe_seconds):
            await session.discover()
            return
    except (MCPError, ValidationError, RuntimeError, TimeoutError):
        # Whatever came back, it is not how a server of the newer protocol answers.
        pass
    try:
        await session.initialize()
    except MCPError as error:
        if error.code != UNSUPPORTED_PROTOCOL_VERSION:
            raise
        # It was only slow to start, and took the first question for the choice of the protocol.
        await session.discover()
