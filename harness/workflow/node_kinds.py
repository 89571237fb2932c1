"""The kinds of nodes, as a workflow file says them.

Shapes alone: what must hold between them is in `checking/`, how they run is in `nodes/`. A node names a role, never a
model; a tool, a piece of code or another workflow by its name in the project's registry, never by an import path.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.json_values import Json, JsonObject
from harness.workflow.node_options import NodeOptions, OnItemError, TaskSpec
from harness.workflow.spec_values import Argument, Expression, Name, SpecModel, StateKey


class OnInvalid(StrEnum):
    """What happens when an answer stays outside its schema: the node fails, or yields nothing for that item."""

    FAIL = "fail"
    NULL = "null"


class Example(SpecModel):
    """One worked example that is shown to the model before the question."""

    user: str
    assistant: str


class _Asking(SpecModel):
    """What is asked of a role.

    Args:
        prompt: a template file, relative to the workflow's; `{{ name }}` is a state key or a field of the item.
        system: the same, for the system turn.
        schema: a JSON Schema, as a file or in place; the output is then the validated value, else it is the text.
        documents: names whose text comes from outside; they are fenced in the prompt as data.
        max_characters: how much of each document the prompt takes; the rest is cut, and said to be.
        repair: how often an answer outside its schema is sent back with what is wrong with it.
    """

    role: Name
    prompt: str
    system: str | None = None
    output_schema: str | JsonObject | None = Field(default=None, alias="schema")
    documents: tuple[str, ...] = ()
    max_characters: int = Field(default=20_000, ge=1, le=5_000_000)
    max_output_tokens: int = Field(default=1024, ge=1, le=1_000_000)
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    repair: int = Field(default=1, ge=0, le=5)


class ModelNode(NodeOptions, _Asking):
    """Asks the model that fills a role.

    Args:
        examples: a YAML file with a list of `user`/`assistant` pairs.
    """

    kind: Literal["model"]
    examples: str | None = None
    on_invalid: OnInvalid = OnInvalid.FAIL
    output: StateKey


class LoopLimits(SpecModel):
    """Bounds of an agent's loop.

    Args:
        steps: calls to the model at most; the last of them is told to answer.
        usd: what the loop may cost, held before each call as any budget is.
        seconds: of the whole loop, in this process.
    """

    steps: int = Field(default=10, ge=1, le=10_000)
    usd: float | None = Field(default=None, gt=0)
    seconds: float = Field(default=600, gt=0)


class ToolStyle(StrEnum):
    """How a model asks for a tool: by its own tool calls, or by an answer under a JSON Schema that names the action.

    `auto` takes the vendor's way where every bound model is known to have it.
    """

    AUTO = "auto"
    NATIVE = "native"
    JSON = "json"


class AgentNode(NodeOptions, _Asking):
    """A loop of a model and tools until a final answer.

    Args:
        tools: names of registered tools, or `server.tool` of a registered MCP server.
        max_tool_errors: how often in a row arguments that do not fit are given back to the model as an error.
        max_result_characters: how much of a tool's result the model is shown.
    """

    kind: Literal["agent"]
    tools: tuple[Name, ...] = ()
    style: ToolStyle = ToolStyle.AUTO
    limits: LoopLimits = Field(default_factory=LoopLimits)
    max_tool_errors: int = Field(default=2, ge=0, le=20)
    max_result_characters: int = Field(default=20_000, ge=1, le=5_000_000)
    output: StateKey


class Worker(SpecModel):
    """What a step of a plan may use: a role with its prompt, a tool, or another workflow.

    Args:
        description: what the planner is told about it.
        inputs: JSON Schemas by name, all of them given unless one has a `default`; a tool brings its own, and what is
            said here of one comes on top. `format: path` is a file inside the working folder and nothing else.
        output: a JSON Schema of what it yields; a role without one yields text.
        documents: inputs whose text comes from outside; what comes from another step or the state is fenced anyway.
        outputs: of a workflow, the state keys that make what it yields; empty takes its whole state.
    """

    description: str
    role: Name | None = None
    prompt: str | None = None
    system: str | None = None
    tool: Name | None = None
    workflow: Name | None = None
    inputs: dict[StateKey, JsonObject] = Field(default_factory=dict)
    output: JsonObject | None = None
    documents: tuple[StateKey, ...] = ()
    outputs: tuple[StateKey, ...] = ()
    max_characters: int = Field(default=20_000, ge=1, le=5_000_000)
    max_output_tokens: int = Field(default=1024, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.role, self.tool, self.workflow)) != 1:
            raise ValueError("a worker is exactly one of `role`, `tool` and `workflow`")
        if (self.role is None) != (self.prompt is None):
            raise ValueError("a worker with a `role` has a `prompt`, and no other has")
        return self


class PlanNode(NodeOptions):
    """A business request in words becomes steps, checked as a graph, perhaps approved, and run.

    Args:
        role: who plans. `prompt` is its template; the workers, the schema and the rules are told to it by us.
        workers: what steps may use, by name.
        passes: state keys, or the item, whose values a step may be given as they are, by `{state: key}`.
        approval: whether a person sees the plan before it runs.
        max_steps: of one plan; a longer one is refused.
        max_replans: how often a failed step, or a plan that cannot be used, is answered by another plan.
        results: the state key for the results by step; `output` is the last step's.
    """

    kind: Literal["plan"]
    role: Name
    prompt: str
    system: str | None = None
    documents: tuple[str, ...] = ()
    max_characters: int = Field(default=20_000, ge=1, le=5_000_000)
    workers: dict[Name, Worker] = Field(min_length=1)
    passes: tuple[StateKey, ...] = ()
    approval: bool = False
    max_steps: int = Field(default=10, ge=1, le=200)
    max_replans: int = Field(default=1, ge=0, le=10)
    max_output_tokens: int = Field(default=2048, ge=1, le=1_000_000)
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    output: StateKey
    results: StateKey | None = None


class ToolNode(NodeOptions):
    """Runs a registered tool."""

    kind: Literal["tool"]
    tool: Name
    arguments: dict[str, Argument] = Field(default_factory=dict)
    output: StateKey | None = None


class CodeNode(NodeOptions):
    """Runs a registered callable over the state; pure code of the project, without models.

    Args:
        whole_state: it is a LangGraph node: it is given the state as one mapping and returns an update of it.
    """

    kind: Literal["code"]
    code: Name
    arguments: dict[str, Argument] = Field(default_factory=dict)
    whole_state: bool = False
    output: StateKey | tuple[StateKey, ...] | None = None


class OnExpiry(StrEnum):
    """What an unanswered question comes to: the node fails, or takes `default`."""

    FAIL = "fail"
    DEFAULT = "default"


class HumanNode(NodeOptions):
    """Waits for a person's answer; no process waits with it.

    Args:
        question: a template file, as a model's prompt.
        shows: state keys that the person sees whole, under one digest; an answer to other values is refused.
        answer: a JSON Schema of what is answered; the default asks `approved` and a `comment`.
        to: who may answer; empty lets anybody of the organisation.
        expires_seconds: after this long without an answer `on_expiry` holds; None waits for ever.
    """

    kind: Literal["human"]
    question: str
    shows: tuple[StateKey, ...] = ()
    answer: str | JsonObject | None = None
    to: tuple[str, ...] = ()
    expires_seconds: float | None = Field(default=None, gt=0)
    on_expiry: OnExpiry = OnExpiry.FAIL
    default: Json = None
    output: StateKey


class MemoryScope(SpecModel):
    """Whose memory: the person's own, or what a team or the organisation shares; narrowed to an agent or a session."""

    level: Literal["person", "team", "organisation"] = "person"
    agent: Name | None = None
    session: Argument | None = None


class RecallNode(NodeOptions):
    """Searches the memory.

    Args:
        query: a state key, or a dotted field of the item, that holds the text to search for.
        kinds: of records; empty takes all.
        min_trust: records of less trust are left out.
    """

    kind: Literal["recall"]
    query: str
    scope: MemoryScope = Field(default_factory=MemoryScope)
    kinds: tuple[str, ...] = ()
    min_trust: Literal["stated", "verified", "tool", "document", "inferred"] = "inferred"
    limit: int = Field(default=5, ge=1, le=200)
    output: StateKey


class RememberNode(NodeOptions):
    """Writes to the memory: a text, or findings `{records, entities, links}`, or a list of either.

    Args:
        record_kind: of records made from plain texts.
    """

    kind: Literal["remember"]
    source: StateKey = Field(alias="from")
    scope: MemoryScope = Field(default_factory=MemoryScope)
    record_kind: str = "fact"
    output: StateKey | None = None


class WorkflowNode(NodeOptions):
    """Runs another workflow of the project as a step: a run and a task of its own, whose cost is part of ours.

    Args:
        outputs: state keys of the other workflow that make the output; empty takes its whole state.
    """

    kind: Literal["workflow"]
    workflow: Name
    inputs: dict[StateKey, Argument] = Field(default_factory=dict)
    outputs: tuple[StateKey, ...] = ()
    output: StateKey | None = None


class Case(SpecModel):
    """One way of a branch; without `when` it is always taken."""

    when: Expression | None = None
    to: Name


class BranchNode(SpecModel):
    """Chooses the way by conditions, read from the top; the first that holds is taken."""

    kind: Literal["branch"]
    description: str | None = None
    cases: tuple[Case, ...] = Field(min_length=1)
    max_visits: int | None = Field(default=None, ge=1, le=10_000)


InnerNode = Annotated[
    ModelNode | AgentNode | PlanNode | ToolNode | CodeNode | RecallNode | RememberNode | WorkflowNode,
    Field(discriminator="kind"),
]


class MapNode(SpecModel):
    """Runs a node once for each element of a list: the whole of what `for_each` is short for.

    Args:
        over: the state key of the list.
        node: what is run; its `output` is the list of results, in the list's order.
    """

    kind: Literal["map"]
    description: str | None = None
    over: StateKey
    item: StateKey = "item"
    max_concurrency: int = Field(default=4, ge=1, le=1000)
    on_item_error: OnItemError = OnItemError.FAIL
    errors: StateKey | None = None
    task: TaskSpec | None = None
    when: Expression | None = None
    max_visits: int | None = Field(default=None, ge=1, le=10_000)
    node: InnerNode


# What runs: a `map` is its inner node over a list by then, a `branch` is edges.
WorkNode = (
    ModelNode
    | AgentNode
    | PlanNode
    | ToolNode
    | CodeNode
    | HumanNode
    | RecallNode
    | RememberNode
    | WorkflowNode
    | BranchNode
)
Node = Annotated[WorkNode | MapNode, Field(discriminator="kind")]
