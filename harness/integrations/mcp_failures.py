"""Why a request to an MCP server has no result, in words that a model or a person can act on.

The words hold no secret of ours, no hidden characters, and are bounded, because servers write parts of them.
"""

from collections.abc import Callable

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED
from pydantic import ValidationError

from harness.exceptions import ToolFailed
from harness.integrations.mcp_answers import Answer, WireNotes
from harness.integrations.mcp_listing import excerpt, shown_text
from harness.tools.mcp_server_spec import McpServerSpec

MAX_WORDS = 2_000

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NOT_FOUND = 404
_REFUSALS = 400
# How the library says these: by words alone.
_CLOSED = "Connection closed"
_SESSION_GONE = "Session terminated"
_BARE_STATUS = "Server returned an error response"


def connection_closed(error: MCPError) -> bool:
    """Whether the whole session is at its end, and not this one request."""
    return error.code == CONNECTION_CLOSED and error.message == _CLOSED


def session_forgotten(error: MCPError, answer: Answer) -> bool:
    """Whether a server over HTTP does not know the session any more."""
    return answer.http_status == _NOT_FOUND and error.message == _SESSION_GONE


class SessionFailures:
    """Puts into words what goes wrong with one server.

    Args:
        redacted: takes secrets out of text.
    """

    def __init__(self, server: str, spec: McpServerSpec, notes: WireNotes, redacted: Callable[[str], str]) -> None:
        self._server = server
        self._spec = spec
        self._notes = notes
        self._redacted = redacted

    def failed(self, name: str, reason: str, *, retryable: bool = False) -> ToolFailed:
        """A failure in these words."""
        return ToolFailed(name, shown_text(self._redacted(reason), MAX_WORDS), retryable=retryable)

    def not_opened(self, error: BaseException | None, opening: Answer) -> ToolFailed:
        """Why there is no session."""
        return self.failed(self._server, f"{self._why_not_opened(error, opening)}{self._also_seen()}", retryable=True)

    def too_late(self, name: str, seconds: float) -> ToolFailed:
        """No answer in the time there was."""
        return self.failed(name, f"it did not answer within {seconds:g} s{self._also_seen()}", retryable=True)

    def outside_protocol(self, name: str, error: ValidationError) -> ToolFailed:
        """An answer that the protocol does not know."""
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return self.failed(name, f"what it answered is outside the protocol: {place}: {first['msg']}")

    def broken_promise(self, name: str, error: RuntimeError) -> ToolFailed:
        """A result outside the tool's own output schema, which the library says so."""
        first = str(error).partition("\n")[0]
        return self.failed(name, f"what it answered is not what it promises: {first}")

    def refused(self, name: str, error: MCPError, answer: Answer) -> ToolFailed:
        """A request that came back as an error: of the wire, because the server is gone, or by its own word."""
        if answer.bytes_too_many is not None:
            return self.failed(name, answer.too_long(answer.bytes_too_many))
        lost = self._why_lost(error, answer)
        if lost is not None:
            return self.failed(name, lost, retryable=True)
        status = answer.http_status
        if status is not None and status >= _REFUSALS and error.message == _BARE_STATUS:
            return self.failed(name, f"its server answered HTTP {status}", retryable=status in _TRANSIENT)
        return self.failed(name, f"its server refused the call ({error.code}): {error.message}")

    def _why_lost(self, error: MCPError, answer: Answer) -> str | None:
        """Why no answer of the server's came; None where one did."""
        if answer.lost is not None:
            return f"its server gave no answer: {answer.lost}"
        if connection_closed(error):
            reason = f"its server went away during the call: {self._notes.ended or 'the connection closed'}"
            return f"{reason}{self._also_seen()}"
        if session_forgotten(error, answer):
            return "its server does not know the session any more"
        if answer.http_status is not None and error.code == CONNECTION_CLOSED:
            return f"its server's answer broke off: {error.message}"
        return None

    def _why_not_opened(self, error: BaseException | None, opening: Answer) -> str:
        if opening.lost is not None:
            return opening.lost
        if isinstance(error, OSError) and self._spec.command is not None:
            return f"its command {self._spec.command!r} cannot be started: {error.strerror or error}"
        if self._notes.ended is not None:
            return f"it ended before it answered: {self._notes.ended}"
        status = opening.http_status
        if isinstance(error, MCPError) and status is not None and status >= _REFUSALS:
            return f"it answered HTTP {status}"
        return f"it does not speak the protocol: {error}"

    def _also_seen(self) -> str:
        """What else was seen of the server, for whoever looks for the cause."""
        seen = ""
        if self._notes.unreadable is not None:
            seen += f"; on stdout it wrote what is no message of the protocol: {excerpt(self._notes.unreadable)}"
        last = self._notes.last_words.decode("utf-8", "replace").strip()
        if last:
            seen += f"; its last words on stderr: {excerpt(last[-300:], characters=300)}"
        return seen
