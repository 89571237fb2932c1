"""A workflow as data: typed state, nodes, edges, limits.

These are the shapes a `workflow.yaml` is validated into, and nothing else: what must hold between them is in
`checks.py`, how they run is in `compiler.py`. A node names a role, never a model; a tool or a piece of code by its
name in the project's registry, never by an import path.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from harness.json_values import Json, JsonObject

# A name that people type: letters, digits, `_`, `-` and, between parts, `.`.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=80)]
StateKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# A state key, or a field within it: `approval.approved`.
StatePath = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)*$", max_length=200)]

END = "end"


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class StateKeySpec(_Spec):
    """One key of the state; `default` is what it holds before a node or an input has written it."""

    type: ValueType = ValueType.ANY
    reducer: Reducer | None = None
    default: Json = None
    description: str | None = None


class RetrySpec(_Spec):
    """How often a failed node is tried again; only errors that a retry can help are.

    The wait doubles from `backoff_seconds` to at most `max_backoff_seconds`, with jitter of up to a half; a longer
    wait that the provider asked for is kept.
    """

    attempts: int = Field(default=3, ge=1, le=20)
    backoff_seconds: float = Field(default=1.0, ge=0, le=600)
    max_backoff_seconds: float = Field(default=30.0, ge=0, le=3600)


class TaskSpec(_Spec):
    """The piece of business that each item of a `for_each` is: what its calls are charged to.

    `key` names a field of the item; the task's kind and that key make its identity within the run.
    """

    kind: Name
    key: str


class _Node(_Spec):
    """What every node may say.

    Args:
        for_each: the state key of a list; the node runs once an item and its output is the list of results, in order.
        item: what an item is called in prompts and arguments.
        when: run only if this state key is true (a list: not empty).
        max_visits: how often a loop may come back here; a loop needs it on one of its nodes.
    """

    description: str | None = None
    for_each: StateKey | None = None
    item: StateKey = "item"
    max_concurrency: int = Field(default=4, ge=1, le=1000)
    task: TaskSpec | None = None
    when: StateKey | None = None
    retry: RetrySpec = Field(default_factory=RetrySpec)
    timeout_seconds: float | None = Field(default=None, gt=0)
    max_visits: int | None = Field(default=None, ge=1, le=10_000)


class OnInvalid(StrEnum):
    """What happens when an answer stays outside its schema: the node fails, or yields nothing for that item."""

    FAIL = "fail"
    NULL = "null"


class Example(_Spec):
    """One worked example that is shown to the model before the question."""

    user: str
    assistant: str


class ModelNode(_Node):
    """Asks the model that fills a role.

    Args:
        prompt: a template file, relative to the workflow's; `{{ name }}` is a state key or a field of the item.
        system: the same, for the system turn.
        examples: a YAML file with a list of `user`/`assistant` pairs.
        schema: a JSON Schema, as a file or in place; the output is then the validated value, else it is the text.
        documents: names whose text comes from outside; they are fenced in the prompt as data.
        max_characters: how much of each document the prompt takes; the rest is cut, and said to be.
    """

    kind: Literal["model"]
    role: Name
    prompt: str
    system: str | None = None
    examples: str | None = None
    output_schema: str | JsonObject | None = Field(default=None, alias="schema")
    documents: tuple[str, ...] = ()
    max_characters: int = Field(default=20_000, ge=1, le=5_000_000)
    max_output_tokens: int = Field(default=1024, ge=1, le=1_000_000)
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    on_invalid: OnInvalid = OnInvalid.FAIL
    output: StateKey


Argument = Annotated[Json, "a plain value, or `{from: key}` for a state key or a dotted field of the item"]


class ToolNode(_Node):
    """Runs a registered tool."""

    kind: Literal["tool"]
    tool: Name
    arguments: dict[str, Argument] = Field(default_factory=dict)
    output: StateKey | None = None


class CodeNode(_Node):
    """Runs a registered callable over the state; pure code of the project, without models."""

    kind: Literal["code"]
    code: Name
    arguments: dict[str, Argument] = Field(default_factory=dict)
    output: StateKey | tuple[StateKey, ...] | None = None


class RememberNode(_Node):
    """Writes findings to the memory: a state key that holds `{records, entities, links}` or a list of them."""

    kind: Literal["remember"]
    source: StateKey = Field(alias="from")
    output: StateKey | None = None


Node = Annotated[ModelNode | ToolNode | CodeNode | RememberNode, Field(discriminator="kind")]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Condition(_Spec):
    """A comparison of one state key with a plain value."""

    key: StateKey
    equals: Json


class Edge(_Spec):
    """What runs after a node; several targets run in parallel.

    Edges of one node are read from the top: the first whose `when` holds is taken, one without `when` always holds.
    """

    source: Name = Field(alias="from")
    target: Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)] = Field(alias="to", min_length=1)
    when: Condition | None = None


class LimitsSpec(_Spec):
    """Bounds of one run, so that a mistake cannot go on for ever."""

    steps: int = Field(default=100, ge=1, le=100_000)
    seconds: float = Field(default=86_400, gt=0)


class WorkflowSpec(_Spec):
    """A multi-step agent as a graph.

    Args:
        outcome: the state key, or a field within it, that says, when the run has ended, whether its business is done: a verifier's word.
            Without it nobody has said, and the run counts as neither completed nor failed.
    """

    workflow: Name
    description: str | None = None
    state: dict[StateKey, StateKeySpec] = Field(default_factory=dict)
    inputs: tuple[StateKey, ...] = ()
    nodes: dict[Name, Node] = Field(min_length=1)
    start: Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    edges: tuple[Edge, ...] = ()
    outcome: StatePath | None = None
    limits: LimitsSpec = Field(default_factory=LimitsSpec)
