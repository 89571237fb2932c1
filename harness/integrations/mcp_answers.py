"""What one request to an MCP server may be answered with, and what the wire saw of the answer.

A request's sender puts one of these into its context; the transports, which run a message in its sender's context,
find it there. So an answer of 10 MB is counted and thrown away as it arrives, and never becomes a value.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field

# A result is written on the wire as text and, escaped, as structured content, each with its own quotes.
_WIRE_FACTOR = 4
_WIRE_SLACK_BYTES = 65_536
# How far an answer that is too long is counted before it is left.
COUNTED_BYTES = 64 * 1024 * 1024


def bytes_on_wire(max_result_bytes: int) -> int:
    """How long an answer may be on the wire for a result of so many bytes as JSON."""
    return _WIRE_FACTOR * max_result_bytes + _WIRE_SLACK_BYTES


def result_too_long(size: int, max_result_bytes: int) -> str:
    """Words for a result that is longer than allowed."""
    return (
        f"its answer is {size:,} bytes long, and max_result_bytes allows {max_result_bytes:,}: "
        "ask it for less, or allow more where the server is registered"
    )


@dataclass(slots=True)
class Answer:
    """What is known of one answer beside what the protocol says.

    Args:
        allowed_bytes: on the wire.
        max_result_bytes: of the result, where it is one of a call.
        bytes_too_many: how long it was, where that was more than allowed; it was thrown away.
        http_status: of the response, over HTTP.
        lost: why none came, in words: no connection, or one that broke.
    """

    allowed_bytes: int
    max_result_bytes: int | None = None
    bytes_too_many: int | None = None
    http_status: int | None = None
    lost: str | None = None

    @classmethod
    def to_call(cls, max_result_bytes: int) -> "Answer":
        """The answer to a call of a tool."""
        return cls(bytes_on_wire(max_result_bytes), max_result_bytes)

    def too_long(self, size: int) -> str:
        """Words for an answer of this many bytes."""
        if self.max_result_bytes is None:
            return f"its list of tools is {size:,} bytes long, and {self.allowed_bytes:,} are allowed"
        return result_too_long(size, self.max_result_bytes)


current_answer: ContextVar[Answer | None] = ContextVar("current_answer", default=None)


@dataclass(slots=True)
class WireNotes:
    """What a transport saw of a server over the whole session, for the words of errors.

    Args:
        ended: the server is gone, in words.
        unreadable: the first thing it sent that is no message of the protocol.
        last_words: the end of what it wrote to stderr.
    """

    ended: str | None = None
    unreadable: str | None = None
    last_words: bytearray = field(default_factory=bytearray)
