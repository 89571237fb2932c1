"""What one node reads and writes carries, in a run: the rules of `origins.py` over what really happened."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from harness.exceptions import HarnessError
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import (
    AgentNode,
    HumanNode,
    ModelNode,
    PlanNode,
    RecallNode,
    RememberNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.nodes.node_services import NodeServices
from harness.workflow.origin_marks import seen_mark, written_mark
from harness.workflow.origins import (
    CLEAN,
    ORIGINS,
    Carried,
    Origin,
    is_approval,
    origin_of_output,
    origin_of_read,
    origin_of_tool,
)
from harness.workflow.reads import read_names
from harness.workflow.typed_names import origin_of_call, schema_of_answer, typed_arguments


class NodeOrigins:
    """For one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str) -> None:
        self._node: WorkNode = loaded.spec.work[name]
        self._state = loaded.spec.state
        self._names = read_names(loaded, name)
        self._schema = schema_of_answer(loaded, name)
        self._typed: Mapping[str, bool] = (
            typed_arguments(loaded, self._node) if isinstance(self._node, ToolNode) else {}
        )

    def read(self, state: Mapping[str, Any]) -> Origin:
        """What the node reads carries; documents of a prompt come from outside, whatever they were made of."""
        if ORIGINS not in state:
            # A run of an earlier version may remember what nobody followed.
            return Origin(trust="inferred") if isinstance(self._node, RememberNode) else CLEAN
        read = origin_of_read(self._names, _by_key(state), self._node)
        if isinstance(self._node, ModelNode | AgentNode | PlanNode) and self._node.documents:
            return read.joined(Origin(untrusted=True, trust="document", sources=self._node.documents))
        return read

    def given(self, state: Mapping[str, Any]) -> Origin:
        """What the node's call is given carries: of a tool node each argument by itself, else all that is read."""
        if ORIGINS not in state or not isinstance(self._node, ToolNode):
            return self.read(state)
        return origin_of_call(self._node, self._typed, _by_key(state))

    async def had(self, carried: Sequence[Carried], state: Mapping[str, Any], services: NodeServices) -> Origin:
        """What the node can have in hand by now, all of it together."""
        return self.read(state).joined(*(each.origin for each in carried), *await self.of_tools(services))

    async def at_worst(self, state: Mapping[str, Any], services: NodeServices) -> Origin:
        """What the node could have in hand, whatever it did: of a memory and of another workflow too."""
        node, had = self._node, await self.had((), state, services)
        brings = isinstance(node, RecallNode | WorkflowNode) or (
            isinstance(node, PlanNode) and any(each.workflow is not None for each in node.workers.values())
        )
        return had.joined(Origin(untrusted=True, private=True, trust="inferred")) if brings else had

    async def written(
        self,
        update: JsonObject,
        carried: Sequence[Carried],
        state: Mapping[str, Any],
        services: NodeServices,
        place: str,
    ) -> JsonObject:
        """The marks of the keys that the node wrote, and of those that a person approved.

        Args:
            place: of the visit, within the run.
        """
        made = await self.had(carried, state, services)
        written: JsonObject = {}
        for key in update:
            if not key.startswith("_"):
                declared = self._state.get(key)
                out = origin_of_output(self._node, key, made, schema=self._schema, declared=declared)
                written[key] = written_mark(out, place)
        if any(each.answered for each in carried):
            written |= self._approved(update, state)
        return written

    def _approved(self, update: JsonObject, state: Mapping[str, Any]) -> JsonObject:
        """The keys that a person saw whole and said yes to are theirs from then on."""
        if not isinstance(self._node, HumanNode) or not is_approval(update.get(self._node.output)):
            return {}
        known = cast("Mapping[str, JsonObject]", state[ORIGINS])
        return {key: seen_mark(known.get(key)) for key in self._node.shows if key not in update}

    async def of_tools(self, services: NodeServices) -> list[Origin]:
        """What the node's tools bring in: all it may call, because a result that is replayed is not asked again."""
        found: list[Origin] = []
        for name in _tools_of(self._node):
            try:
                spec = (await services.toolbox.tool(name)).spec
            except HarnessError:
                # It cannot be reached now; what nothing is known of is from outside, and private.
                found.append(origin_of_tool(name, trusted=False, private=True))
            else:
                found.append(origin_of_tool(name, trusted=spec.trusted, private=spec.private))
        return found


def _tools_of(node: WorkNode) -> tuple[str, ...]:
    match node:
        case ToolNode():
            return (node.tool,)
        case AgentNode():
            return node.tools
        case PlanNode():
            return tuple(each.tool for each in node.workers.values() if each.tool is not None)
        case _:
            return ()


def _by_key(state: Mapping[str, Any]) -> dict[str, Origin]:
    kept = cast("Mapping[str, Mapping[str, Json]]", state.get(ORIGINS) or {})
    return {key: Origin.from_json(each) for key, each in kept.items()}
