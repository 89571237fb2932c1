"""What a project says of its tools: known without importing, connecting or calling anything, so that `check` can ask."""

from dataclasses import dataclass

from harness.tools.tool import Approval


@dataclass(frozen=True, slots=True)
class ToolDeclaration:
    """A registered tool, or all tools of a registered MCP server; the fields mean what they mean in `ToolSpec`.

    Args:
        parameters: names of its arguments, where the registry knows them without importing; None where it does not.
        required: those of them that it is never called without.
    """

    name: str
    effect: bool = False
    outward: bool = False
    trusted: bool = False
    private: bool = False
    approval: Approval = Approval.NEVER
    parameters: frozenset[str] | None = None
    required: frozenset[str] = frozenset()
