"""What one node reads and writes carries, in a run: the rules of `origins.py` over what really happened."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from harness.exceptions import HarnessError, SpecificationInvalid
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import output_schema
from harness.workflow.node_kinds import AgentNode, HumanNode, ModelNode, PlanNode, ToolNode, WorkNode
from harness.workflow.nodes.node_services import NodeServices
from harness.workflow.origins import (
    CLEAN,
    ORIGINS,
    Carried,
    Origin,
    origin_of_output,
    origin_of_read,
    origin_of_tool,
)
from harness.workflow.reads import read_names


class NodeOrigins:
    """For one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str) -> None:
        self._node: WorkNode = loaded.spec.work[name]
        self._state = loaded.spec.state
        self._names = read_names(loaded, name)
        self._schema = _schema(loaded, name, self._node)

    def read(self, state: Mapping[str, Any]) -> Origin:
        """What the node reads carries; documents of a prompt come from outside, whatever they were made of."""
        if ORIGINS not in state:
            return CLEAN
        read = origin_of_read(self._names, _by_key(state), self._node)
        if isinstance(self._node, ModelNode | AgentNode | PlanNode) and self._node.documents:
            return read.joined(Origin(untrusted=True, trust="document", sources=self._node.documents))
        return read

    async def written(
        self, update: JsonObject, carried: Sequence[Carried], state: Mapping[str, Any], services: NodeServices
    ) -> JsonObject:
        """What the keys that the node wrote carry, and those that a person approved."""
        made = self.read(state).joined(*(each.origin for each in carried), *await self.of_tools(services))
        written: JsonObject = {}
        for key, value in update.items():
            if not key.startswith("_"):
                declared = self._state.get(key)
                out = origin_of_output(self._node, made, schema=self._schema, key=declared)
                written[key] = (_by_key(state).get(key, CLEAN).joined(out) if _joins(declared) else out).to_json()
                written |= self._approved(value, state)
        return written

    def _approved(self, answer: Json, state: Mapping[str, Any]) -> JsonObject:
        """The keys that a person saw whole and said yes to are theirs from then on."""
        if not isinstance(self._node, HumanNode) or not isinstance(answer, dict) or answer.get("approved") is not True:
            return {}
        known = _by_key(state)
        return {key: replace(known.get(key, CLEAN), untrusted=False).to_json() for key in self._node.shows}

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


def _joins(declared: Any) -> bool:
    """Whether a key keeps what stood in it before."""
    return declared is not None and declared.reducer is not None


def _schema(loaded: LoadedWorkflow, name: str, node: WorkNode) -> JsonObject | None:
    if not isinstance(node, ModelNode | AgentNode):
        return None
    try:
        return output_schema(loaded, name, node)
    except SpecificationInvalid:
        return None
