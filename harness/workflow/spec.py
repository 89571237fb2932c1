"""A workflow as data: typed state, nodes, edges, limits.

These are the shapes a `workflow.yaml` is validated into, and nothing else: what must hold between them is in
`checking/`, how they run is in `compiler.py`. The kinds of nodes are in `node_kinds.py`.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import BeforeValidator, Field

from harness.json_values import Json
from harness.workflow.node_kinds import BranchNode, MapNode, Node, PlanNode, WorkNode
from harness.workflow.spec_values import END, Expression, Name, SpecModel, StateKey, StatePath

# What a map says in place of its inner node.
_OF_MAP = ("description", "item", "max_concurrency", "on_item_error", "errors", "task", "when", "max_visits")


class ValueType(StrEnum):
    """What a state key holds; the words of JSON Schema."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"
    ANY = "any"


class Reducer(StrEnum):
    """How writes to a key that several nodes write come together.

    `append` joins lists, `merge` joins mappings (a later key wins), `add` sums numbers, `last` keeps the last write.
    What is later is told by the step and, within a step, by the nodes' names; never by which finished first.
    """

    APPEND = "append"
    MERGE = "merge"
    ADD = "add"
    LAST = "last"


class StateKeySpec(SpecModel):
    """One key of the state.

    Args:
        default: what it holds before a node or an input has written it.
        untrusted: as an input it holds text from outside, such as a letter; what a model makes of it is untrusted too.
        private: as an input it holds what may not leave the house.
    """

    type: ValueType = ValueType.ANY
    reducer: Reducer | None = None
    default: Json = None
    untrusted: bool = False
    private: bool = False
    description: str | None = None


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Condition(SpecModel):
    """A comparison of one state key with a plain value."""

    key: StateKey
    equals: Json


class Edge(SpecModel):
    """What runs after a node; several targets run in parallel.

    Edges of one node are read from the top: the first whose `when` holds is taken, one without `when` always holds.

    Args:
        when: an expression over state keys, or `{key, equals}`.
    """

    source: Name = Field(alias="from")
    target: Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)] = Field(alias="to", min_length=1)
    when: Condition | Expression | None = None


class LimitsSpec(SpecModel):
    """Bounds of one run, so that a mistake cannot go on for ever.

    Args:
        steps: of the graph, over all resumes; LangGraph's own default of 10,007 is never used.
        seconds: in which some process advances the run; waiting for a person does not count.
        usd: what all of its calls may cost together, held before each as any budget is.
    """

    steps: int = Field(default=100, ge=1, le=100_000)
    seconds: float = Field(default=86_400, gt=0)
    usd: float | None = Field(default=None, gt=0)


class WorkflowSpec(SpecModel):
    """A multi-step agent as a graph.

    Args:
        on_error: a node that runs once when the run fails for good, to tell somebody or to undo; it finds what
            happened in the state key `error`. No edge leads to it. The run stays failed and can be resumed.
        outcome: the state key, or a field within it, that says, when the run has ended, whether its business is done:
            a verifier's word. Without it nobody has said, and the run counts as neither completed nor failed.
    """

    workflow: Name
    description: str | None = None
    state: dict[StateKey, StateKeySpec] = Field(default_factory=dict)
    inputs: tuple[StateKey, ...] = ()
    nodes: dict[Name, Node] = Field(min_length=1)
    start: Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    edges: tuple[Edge, ...] = ()
    on_error: Name | None = None
    outcome: StatePath | None = None
    limits: LimitsSpec = Field(default_factory=LimitsSpec)

    @cached_property
    def work(self) -> Mapping[str, WorkNode]:
        """What each node runs: a map is its inner node over a list."""
        return {name: _work(node) for name, node in self.nodes.items()}

    @cached_property
    def ways(self) -> tuple[Edge, ...]:
        """All edges: those of the file, and those that branch nodes are."""
        cases = [
            Edge.model_validate({"from": name, "to": case.to, "when": case.when})
            for name, node in self.nodes.items()
            if isinstance(node, BranchNode)
            for case in node.cases
        ]
        return (*self.edges, *cases)

    def outputs(self, name: str) -> tuple[StateKey, ...]:
        """The state keys that a node writes."""
        node = self.work[name]
        if isinstance(node, BranchNode):
            return ()
        output = node.output
        named = (output,) if isinstance(output, str) else output or ()
        results = node.results if isinstance(node, PlanNode) else None
        return (*named, *(key for key in (node.errors, results) if key is not None))


def _work(node: Node) -> WorkNode:
    if not isinstance(node, MapNode):
        return node
    said = {name: getattr(node, name) for name in _OF_MAP}
    return node.node.model_copy(update={**said, "for_each": node.over})


__all__ = [
    "END",
    "Condition",
    "Edge",
    "LimitsSpec",
    "Reducer",
    "StateKeySpec",
    "ValueType",
    "WorkflowSpec",
]
