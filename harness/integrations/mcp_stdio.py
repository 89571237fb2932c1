"""An MCP server as a process of ours: started, spoken to over its stdin and stdout, ended.

It is in a process group of its own, which ends with the session: stdin is closed, as the protocol says, and what is
left of the group two seconds later is told to end, then killed. Where this process dies without a word (kill -9),
closed stdin is all that a server sees; one that ignores it stays.

Own streams instead of the library's, which keep a line of any length in memory, and let stderr go to the terminal.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import DEFAULT_INHERITED_ENV_VARS
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from mcp_types.jsonrpc import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from harness.integrations.mcp_answers import COUNTED_BYTES, Answer, WireNotes, current_answer
from harness.integrations.mcp_message_lines import HEAD_BYTES, LongLine, MessageLines, answered_request

# Of a message that answers no request of ours.
MAX_MESSAGE_BYTES = 1_000_000
MAX_UNREADABLE_LINES = 1_000
GRACE_SECONDS = 2.0

_PIECE_BYTES = 65_536
_KEPT_STDERR_BYTES = 4_000
_POLL_SECONDS = 0.01

Incoming = SessionMessage | Exception
Waiting = dict[int | str, Answer]


@asynccontextmanager
async def process_streams(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, notes: WireNotes
) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[Incoming], "ProcessInput"]]:
    """The streams of a session with a server that is started here and ended on leaving.

    Args:
        environment: all that the process is given.

    Raises:
        OSError: the command cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        # An interrupt at the terminal is ours to handle, and the group is ended as one.
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    sender, receiver = anyio.create_memory_object_stream[Incoming](0)
    waiting: Waiting = {}
    output = _ProcessOutput(process, sender, waiting, notes)
    readers = [asyncio.create_task(output.read()), asyncio.create_task(_keep_last_words(process.stderr, notes))]
    try:
        yield receiver, ProcessInput(process.stdin, waiting)
    finally:
        # First, so that a server that is stuck writing can read that its stdin is closed.
        receiver.close()
        try:
            await _leave(process)
        finally:
            # Without waiting first: whatever happens from here on, nothing of it stays.
            _signal_group(process, signal.SIGKILL)
            await _has_ended(process, GRACE_SECONDS)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            sender.close()
            _close_pipes(process)


def inherited_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of our environment any program needs; keys of ours are not among it."""
    return {name: environment[name] for name in DEFAULT_INHERITED_ENV_VARS if name in environment}


class ProcessInput:
    """The stdin of a server, as the stream that a session writes to; a message is written by its sender's task."""

    def __init__(self, stdin: asyncio.StreamWriter, waiting: Waiting) -> None:
        self._stdin = stdin
        self._waiting = waiting

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message.

        Raises:
            BrokenResourceError: the server does not read any more.
        """
        message = item.message
        answer = current_answer.get()
        if isinstance(message, JSONRPCRequest) and answer is not None:
            self._waiting[message.id] = answer
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._waiting.pop((message.params or {}).get("requestId", ""), None)
        line = message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            self._stdin.write(line.encode() + b"\n")
            await self._stdin.drain()
        except (OSError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        """The process is ended by whoever started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `aclose`."""


class _ProcessOutput:
    """Reads a server's stdout: hands on what is a message, and answers for what is too long or cannot be read."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        sender: MemoryObjectSendStream[Incoming],
        waiting: Waiting,
        notes: WireNotes,
    ) -> None:
        assert process.stdout is not None
        self._process = process
        self._stdout = process.stdout
        self._sender = sender
        self._waiting = waiting
        self._notes = notes
        self._lines = MessageLines(self._allowed_bytes)
        self._unreadable_lines = 0

    async def read(self) -> None:
        with self._sender:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._hand_on()
            if self._notes.ended is None:
                self._notes.ended = await self._how_it_ended()
        # Read on and throw away, so that a server that writes its last words can come to its end.
        while await self._stdout.read(_PIECE_BYTES):
            pass

    async def _hand_on(self) -> None:
        while piece := await self._stdout.read(_PIECE_BYTES):
            for line in self._lines.feed(piece):
                message = self._message(line)
                if message is not None:
                    await self._sender.send(SessionMessage(message))
            if self._lines.size > max(COUNTED_BYTES, self._allowed_bytes()):
                self._notes.ended = f"it wrote a line of more than {COUNTED_BYTES:,} bytes, and was ended"
            if self._unreadable_lines > MAX_UNREADABLE_LINES:
                self._notes.ended = f"it wrote {self._unreadable_lines:,} lines that are no messages, and was ended"
            if self._notes.ended is not None:
                return

    def _allowed_bytes(self) -> int:
        return max((answer.allowed_bytes for answer in self._waiting.values()), default=MAX_MESSAGE_BYTES)

    def _message(self, line: bytearray | LongLine) -> JSONRPCMessage | None:
        if isinstance(line, LongLine):
            return self._too_long(answered_request(line.head, line.tail), line.size)
        if not line.strip():
            return None
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            return self._cannot_be_read(line)
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._waiting.pop(message.id, None)
        self._unreadable_lines = 0
        return message

    def _too_long(self, request: int | str | None, size: int) -> JSONRPCMessage | None:
        if request is None and len(self._waiting) == 1:
            request = next(iter(self._waiting))
        answer = None if request is None else self._waiting.pop(request, None)
        if answer is None:
            # Nobody waits for it any more, or nobody can tell who does: those will run out of time.
            self._notes.unreadable = self._notes.unreadable or f"a line of {size:,} bytes"
            return None
        answer.bytes_too_many = size
        return JSONRPCError(jsonrpc="2.0", id=request, error=ErrorData(code=INTERNAL_ERROR, message="too long"))

    def _cannot_be_read(self, line: bytearray) -> JSONRPCMessage | None:
        text = bytes(line[:300]).decode("utf-8", "replace")
        request = answered_request(bytes(line[:HEAD_BYTES]), bytes(line[-HEAD_BYTES:]))
        if request is not None and self._waiting.pop(request, None) is not None:
            error = ErrorData(code=PARSE_ERROR, message=f"what it answered is no message of the protocol: {text}")
            return JSONRPCError(jsonrpc="2.0", id=request, error=error)
        self._unreadable_lines += 1
        self._notes.unreadable = self._notes.unreadable or text
        return None

    async def _how_it_ended(self) -> str:
        if await _has_ended(self._process, GRACE_SECONDS):
            code = self._process.returncode or 0
            return f"its process ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"
        return "it closed its stdout"


async def _keep_last_words(stderr: asyncio.StreamReader, notes: WireNotes) -> None:
    while piece := await stderr.read(_PIECE_BYTES):
        notes.last_words += piece
        del notes.last_words[:-_KEPT_STDERR_BYTES]


async def _leave(process: asyncio.subprocess.Process) -> None:
    """Let a server end by itself, then tell it and what it started to."""
    assert process.stdin is not None
    process.stdin.close()
    if not await _has_ended(process, GRACE_SECONDS):
        _signal_group(process, signal.SIGTERM)
        await _has_ended(process, GRACE_SECONDS)


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    # The group is named by the process that began it, also when that is gone and others of it are not.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _has_ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether it ends within so many seconds; `wait` would also wait for its children that keep the pipes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while process.returncode is None:  # noqa: ASYNC110 - nothing public tells of it
                await asyncio.sleep(_POLL_SECONDS)
    return process.returncode is not None


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    # What left the group may hold the pipes open, and nothing public closes our ends of them.
    transport: asyncio.SubprocessTransport | None = getattr(process, "_transport", None)
    if transport is not None:
        with suppress(PermissionError):
            transport.close()
