"""Where a value came from and what it was made of: carried beside the state, and judged before anything leaves.

Text from outside may hold instructions that a model follows. That is harmless until one step joins three things: such
text, private data, and an effect outside the house. So each key of the state carries an `Origin`; what is made from
several takes the worst of each. A value that can only be a number, a yes or no, or one of a few words carries no
instruction, and what a person answered carries none that the person did not give.

The same rules are used before a run, over the file (`checking/confinement.py`), and in it, over what really happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import cast

from harness.json_values import Json, JsonObject
from harness.workflow.answers import CHECKED_FORMATS
from harness.workflow.id_patterns import is_id_pattern
from harness.workflow.node_kinds import (
    AgentNode,
    BranchNode,
    HumanNode,
    ModelNode,
    PlanNode,
    RecallNode,
    RememberNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.spec import StateKeySpec, ValueType, WorkflowSpec

# The channel of the state that carries them; no workflow can name it, because keys begin with a letter.
ORIGINS = "_origins"

_TYPED_KEYS = (ValueType.BOOLEAN, ValueType.INTEGER, ValueType.NUMBER)
# `const` means nothing in these; and a `$ref` hides what stands beside it in some later ones.
_OTHER_DRAFTS = ("draft-03", "draft-04")
_OF_FAILURE = "_origin"
_MOST_SOURCES = 12
_LONGEST_ID = 64
# Lowest first, as the memory has it: what is made of several is trusted as far as the least of them.
_TRUST = ("inferred", "document", "tool", "verified", "stated")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a value carries.

    Args:
        untrusted: text in it could have been written by a stranger.
        private: it holds what may not leave the house.
        trust: the lowest of what it was made from, in the memory's words.
        sources: the inputs, tools, documents and memories it was made from, the first few by name.
    """

    untrusted: bool = False
    private: bool = False
    trust: str = "stated"
    sources: tuple[str, ...] = ()

    def joined(self, *others: "Origin") -> "Origin":
        """What is made of it and the others."""
        return reduce(_joined, others, self)

    @property
    def confined(self) -> bool:
        """Whether nothing made of it may leave the house without a person."""
        return self.untrusted and self.private

    def to_json(self) -> JsonObject:
        """As the state keeps it."""
        return {
            "untrusted": self.untrusted,
            "private": self.private,
            "trust": self.trust,
            "sources": list[Json](self.sources),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Origin":
        """What the state kept."""
        sources = cast("list[str]", value.get("sources") or [])
        return cls(bool(value["untrusted"]), bool(value["private"]), str(value["trust"]), tuple(sources))

    def no_more_than(self, trust: str) -> str:
        """A trust that somebody says, or the origin's own where that is lower."""
        return min(trust, self.trust, key=_TRUST.index)


CLEAN = Origin()


class Carried:
    """What a visit to a node carries as it goes on: what it read, and the results of the tools it called.

    Args:
        origin: of what it read.
        given: of what its call is given, where that is less than what it read.
    """

    __slots__ = ("answered", "given", "origin")

    def __init__(self, origin: Origin = CLEAN, *, given: Origin | None = None) -> None:
        self.origin = origin
        self.given = origin if given is None else given
        self.answered = False  # by a person, and not by a default

    def add(self, origin: Origin) -> None:
        """Something more was read."""
        self.origin = self.origin.joined(origin)


def note_origin(error: BaseException, origin: Origin) -> None:
    """Let a failure carry what the node had before it that failed: its words may be made of that."""
    error.__dict__[_OF_FAILURE] = origin


def origin_of_failure(error: BaseException) -> Origin | None:
    """What a failure carries; None where no node noted it."""
    return error.__dict__.get(_OF_FAILURE)


def pass_on_origin(error: BaseException, told: BaseException) -> None:
    """Let a failure that is told in place of another carry the same."""
    origin = origin_of_failure(error)
    if origin is not None:
        note_origin(told, origin)


def tracks_origins(spec: WorkflowSpec) -> bool:
    """Whether anything in a workflow can come from outside or is private, or is remembered with how far it is trusted.

    Else nothing needs to be carried, unless its inputs bring something in.
    """
    declared = any(key.untrusted or key.private for key in spec.state.values())
    return declared or any(_brings_in(node) for node in spec.work.values())


def input_origins(spec: WorkflowSpec) -> dict[str, Origin]:
    """What the keys carry before the first node."""
    return {key: _of_input(key, declared) for key, declared in spec.state.items()}


def origin_of_read(names: tuple[str, ...], origins: Mapping[str, Origin], node: WorkNode) -> Origin:
    """What a node reads carries, all of it together; names are dotted, and may begin with the item."""
    over = None if isinstance(node, BranchNode) else node.for_each
    item = None if isinstance(node, BranchNode) or over is None else node.item
    heads = {name.partition(".")[0] for name in names}
    keys = {over if head == item and over is not None else head for head in heads}
    return CLEAN.joined(*(origins.get(key, CLEAN) for key in sorted(keys)))


def origin_of_output(
    node: WorkNode, key: str, carried: Origin, *, schema: JsonObject | None, declared: StateKeySpec | None
) -> Origin:
    """What a state key that a node writes carries.

    Args:
        key: its output, or one for failures or results of parts, which hold other things than its answer.
        carried: what it read, with the results of tools it called.
        schema: of its answer, where it has one.
        declared: what the workflow says of the key.
    """
    is_answer = not isinstance(node, BranchNode) and key == node.output
    match node:
        case HumanNode():
            if is_answer:
                return CLEAN
            made = carried
        case RecallNode():
            trusted = node.min_trust in ("stated", "verified")
            return carried.joined(Origin(not trusted, private=True, trust=node.min_trust, sources=("memory",)))
        case ModelNode() | AgentNode() | PlanNode():
            made = carried.joined(Origin(bool(node.documents), trust="inferred", sources=node.documents))
        case _:
            made = carried
    by_answer = is_answer and schema is not None and is_typed(schema)
    by_key = declared is not None and declared.type in _TYPED_KEYS
    return replace(made, untrusted=False) if by_answer or by_key else made


def origin_of_tool(name: str, *, trusted: bool, private: bool) -> Origin:
    """What a tool's result carries by itself."""
    if trusted and not private:
        return Origin(trust="tool", sources=(name,))
    return Origin(not trusted, private, "tool", (name,))


def is_approval(answer: Json) -> bool:
    """Whether an answer to a human node says yes to what it shows."""
    return isinstance(answer, dict) and answer.get("approved") is True


def is_typed(schema: Mapping[str, object]) -> bool:
    """Whether a value of a JSON Schema can be numbers, yes or no, fixed words and ids only: nothing one could obey.

    A schema that leaves anything open counts as open.
    """
    if "$ref" in schema or any(draft in str(schema.get("$schema")) for draft in _OTHER_DRAFTS):
        return False
    if "const" in schema or "enum" in schema:
        return True
    kind = schema.get("type")
    kinds = cast("list[object]", kind) if isinstance(kind, list) else [kind]
    return all(_is_typed_kind(each, schema) for each in kinds)


def _is_typed_kind(kind: object, schema: Mapping[str, object]) -> bool:
    if kind in ("number", "integer", "boolean", "null"):
        return True
    if kind == "string":
        return _is_id(schema)
    if kind == "array":
        items = schema.get("items")
        return isinstance(items, dict) and "prefixItems" not in schema and is_typed(cast("dict[str, object]", items))
    if kind == "object":
        properties = schema.get("properties")
        closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
        return (
            closed
            and isinstance(properties, dict)
            and all(
                isinstance(each, dict) and is_typed(cast("dict[str, object]", each))
                for each in cast("dict[str, object]", properties).values()
            )
        )
    return False


def _is_id(schema: Mapping[str, object]) -> bool:
    """Whether a text is short and of a form without spaces: an order's number, a date."""
    pattern, longest = schema.get("pattern"), schema.get("maxLength")
    bounded = isinstance(longest, int) and longest <= _LONGEST_ID
    is_id = bounded and isinstance(pattern, str) and is_id_pattern(pattern)
    return schema.get("format") in CHECKED_FORMATS or is_id


def schema_at(schema: Mapping[str, object], path: str) -> Mapping[str, object] | None:
    """The schema of a dotted field; None where it cannot be told."""
    here: Mapping[str, object] = schema
    for part in path.split(".") if path else ():
        properties = here.get("properties")
        below = cast("dict[str, object]", properties).get(part) if isinstance(properties, dict) else None
        if not isinstance(below, dict):
            return None
        here = cast("dict[str, object]", below)
    return here


def _brings_in(node: WorkNode) -> bool:
    if isinstance(node, ToolNode | AgentNode | PlanNode | RecallNode | RememberNode | WorkflowNode):
        return True
    return isinstance(node, ModelNode) and bool(node.documents)


def _of_input(key: str, declared: StateKeySpec) -> Origin:
    trust = "document" if declared.untrusted else "stated"
    sources = (key,) if declared.untrusted or declared.private else ()
    return Origin(declared.untrusted, declared.private, trust, sources)


def _joined(one: Origin, other: Origin) -> Origin:
    sources = tuple(dict.fromkeys((*one.sources, *other.sources)))[:_MOST_SOURCES]
    trust = min(one.trust, other.trust, key=_TRUST.index)
    return Origin(one.untrusted or other.untrusted, one.private or other.private, trust, sources)
