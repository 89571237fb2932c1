"""What became of a call to a tool."""

from harness.exceptions.root import HarnessError


class ToolError(HarnessError):
    """Something about a tool."""


class ToolFailed(ToolError):
    """What a tool or its server said instead of a result, or that it said nothing.

    Args:
        reason: in words that a model can act on, without the tool's secrets.
        retryable: whether the same call can succeed later.
    """

    def __init__(self, tool: str, reason: str, *, retryable: bool = False) -> None:
        super().__init__(tool, reason)
        self.tool = tool
        self.reason = reason
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        return (self.__class__, self.args, self.__dict__)

    def __str__(self) -> str:
        return f"tool {self.tool!r} failed: {self.reason}"


class ToolArgumentsRefused(ToolError):
    """Arguments outside the tool's schema; it was not called."""

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(tool, reason)
        self.tool = tool
        self.reason = reason

    def __str__(self) -> str:
        return f"tool {self.tool!r} was not called: {self.reason}"


class ToolChanged(ToolError):
    """A server's tool is not the one that was approved; it stays off until somebody approves it anew."""

    def __init__(self, server: str, tool: str, change: str) -> None:
        super().__init__(server, tool, change)
        self.server = server
        self.tool = tool
        self.change = change

    def __str__(self) -> str:
        return (
            f"tool {self.tool!r} of server {self.server!r} is off: {self.change}. "
            f"Look at it and approve it: `harness tools approve {self.server}.{self.tool}`"
        )
