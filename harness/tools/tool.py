"""What a tool is: its name, what it takes, what it does to the world, and how it is called.

The port that every way of reaching a tool implements: a Python function, an HTTP request, a tool of an MCP server.
When a tool may run, how often and with whose approval is left to the workflow's `tool_calls.py`; where tools are
registered to `toolbox.py` and the project.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harness.json_values import Json, JsonObject

TIMEOUT_SECONDS = 60.0
MAX_RESULT_BYTES = 1_000_000


class Approval(StrEnum):
    """Whether a person must see a call before it is made."""

    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What is known of a tool without calling it.

    Args:
        parameters: JSON Schema of the arguments, an object.
        effect: it changes something in the world: its result is recorded before anything goes on, and a repetition
            carries the same idempotency key.
        outward: its arguments leave the house (a message, a request to somebody's server); every effect does, unless
            the project says otherwise.
        trusted: its results hold no text that a stranger could have written.
        private: its results hold what may not leave the house.
        approval: whether a person must see each call.
        timeout_seconds: of one call.
        max_result_bytes: of the result as JSON; a larger one is an error, never cut in silence.
        digest: of name, description and schema, where it comes from somebody who may change it (an MCP server).
    """

    name: str
    description: str
    parameters: JsonObject
    effect: bool = False
    outward: bool = False
    trusted: bool = False
    private: bool = False
    approval: Approval = Approval.NEVER
    timeout_seconds: float = TIMEOUT_SECONDS
    max_result_bytes: int = MAX_RESULT_BYTES
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call: with what, for whom, at which place of which run.

    Args:
        arguments: fit the tool's schema.
        idempotency_key: the same in every repetition of this call, and of no other call.
        context: what a Python function annotated with it is given (`NodeContext`); nothing else looks at it.
    """

    arguments: JsonObject
    idempotency_key: str
    organisation: str
    person: str
    run_id: str
    context: object = field(default=None, repr=False)


class Tool(Protocol):
    """Port: one tool.

    Calling raises `ToolFailed` with what the tool or its server said, in words a model can act on, and whether trying
    again can help; never a library's own error. It is not called with arguments outside its schema.
    """

    @property
    def spec(self) -> ToolSpec:
        """What is known of it."""
        ...

    async def call(self, call: ToolCall) -> Json:
        """Do it, and return the result as plain JSON."""
        ...


class Toolbox(Protocol):
    """Port: the tools that are registered."""

    async def tool(self, name: str) -> Tool:
        """The tool of a name; an MCP server's is `server.tool`, and its server is reached here.

        Raises:
            NameUnknown: nothing is registered under it.
            SpecificationInvalid: what is registered under it cannot be used.
            ToolFailed: its server cannot be reached or does not have it.
            ToolChanged: it is not what was approved.
        """
        ...
