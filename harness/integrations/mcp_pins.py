"""Which tools of an MCP server may be used: those that a person approved, as long as they stay what was approved.

A tool is pinned by the digest of its name, description and input schema. A server that changes one of them after the
approval (and any of them can carry words for a model) has that tool off until somebody looks at it again. Reading
and keeping approvals is the port `tool_approvals.py`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.exceptions import ToolChanged
from harness.integrations.mcp_listing import ListedTool, excerpt
from harness.json_values import Json, JsonObject, canonical_json
from harness.tools.tool_approvals import ApprovedTool

NEVER_APPROVED = "it was never approved"


class PinState(StrEnum):
    """How a tool stands to its approval."""

    APPROVED = "approved"
    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class ReviewedTool:
    """A tool of a server as a person is shown it, who approves exactly this.

    Args:
        description: fit for a terminal; it is the server's own words.
        difference: what changed, or why it cannot be used; empty where it is as approved.
        document: what is approved; None where there is nothing to approve.
    """

    server: str
    tool: str
    state: PinState
    difference: str
    description: str
    parameters: JsonObject = field(repr=False)
    digest: str | None
    document: JsonObject | None = field(repr=False)


def reviewed_tools(
    server: str, listed: Mapping[str, ListedTool], approved: Mapping[str, ApprovedTool]
) -> list[ReviewedTool]:
    """All tools of a server, listed or only approved, by name."""
    return [_reviewed(server, name, listed.get(name), approved.get(name)) for name in sorted({*listed, *approved})]


def require_approved(server: str, tool: ListedTool, approved: ApprovedTool | None) -> None:
    """Let through what was approved.

    Raises:
        ToolChanged: it was never approved, or is not what was.
    """
    if approved is None:
        raise ToolChanged(server, tool.name, NEVER_APPROVED)
    if approved.digest != tool.digest:
        raise ToolChanged(server, tool.name, difference(approved.document, tool.document))


def difference(before: JsonObject, after: JsonObject) -> str:
    """What changed between two documents of one tool, each piece shortened, its hidden characters shown."""
    changes = list(_changes(before, after))
    return " and ".join(changes) if changes else "its name, description or schema is not what was approved"


def _reviewed(server: str, name: str, listed: ListedTool | None, approved: ApprovedTool | None) -> ReviewedTool:
    if listed is None:
        return ReviewedTool(server, name, PinState.GONE, "its server does not list it any more", "", {}, None, None)
    if listed.problem is not None:
        shown = excerpt(name)[1:-1]
        return ReviewedTool(server, shown, PinState.UNUSABLE, listed.problem, listed.shown_description, {}, None, None)
    if approved is None:
        state, said = PinState.NEW, NEVER_APPROVED
    elif approved.digest == listed.digest:
        state, said = PinState.APPROVED, ""
    else:
        state, said = PinState.CHANGED, difference(approved.document, listed.document)
    return ReviewedTool(
        server,
        name,
        state,
        said,
        listed.shown_description,
        listed.shown_schema,
        listed.digest,
        listed.document,
    )


def _changes(before: JsonObject, after: JsonObject) -> Iterator[str]:
    then, now = str(before.get("description", "")), str(after.get("description", ""))
    if then != now:
        at = _first_difference(then, now)
        yield f"its description changed from {excerpt(then, at)} to {excerpt(now, at)}"
    old, new = before.get("input_schema"), after.get("input_schema")
    if old != new or canonical_json(old) != canonical_json(new):
        path, was, is_now = _changed_place(old, new, ())
        where = f" at {excerpt('.'.join(path))}" if path else ""
        yield f"its input schema changed{where} from {_short(was)} to {_short(is_now)}"


def _first_difference(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


_ABSENT = "(absent)"


def _changed_place(old: Json, new: Json, path: tuple[str, ...]) -> tuple[tuple[str, ...], Json, Json]:
    """The first place below which two schemas differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            then, now = old.get(key, _ABSENT), new.get(key, _ABSENT)
            if canonical_json(then) != canonical_json(now):
                return _changed_place(then, now, (*path, key))
    return path, old, new


def _short(value: Json) -> str:
    return "nothing" if value == _ABSENT else excerpt(value if isinstance(value, str) else canonical_json(value))
