"""Asking the planner: through the metered call, with one repair of an answer that is no plan at all.

An answer that is a plan, but one that cannot be run, is not sent back here: it counts as a round.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from harness.exceptions import PlanInvalid
from harness.json_values import Json
from harness.model_call import Answer
from harness.models.messages import ModelRequest, RefusalPart, StopReason
from harness.workflow.answers import Rejected
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import PlanNode
from harness.workflow.nodes.asking_models import answer_of_model, call_context
from harness.workflow.nodes.model_node import repaired
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.plan.plan import Plan, WorkerShape, plan_problems, read_plan
from harness.workflow.nodes.plan.prompt import EndedRound, plan_request

_REPAIRS = 1
_UNFINISHED = {
    StopReason.LENGTH: "it was cut at its output limit: raise the node's max_output_tokens, or ask for fewer steps",
    StopReason.CONTEXT: "it was cut where the model's context ended: bind a model with more, or ask for less",
    StopReason.BROKEN: "the provider broke it off",
    StopReason.PAUSE: "the provider wants to be asked again before it goes on",
    StopReason.TOOL: "it asks for a tool, and a planner has none",
    StopReason.REFUSAL: "the model declined",
    StopReason.FILTER: "the provider's filter declined",
}


class Planner:
    """Asks for the plans of one node of one workflow."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: PlanNode) -> None:
        self._loaded = loaded
        self._name = name
        self._node = node

    async def plan(
        self,
        visit: Visit,
        workers: Mapping[str, WorkerShape],
        ended: Sequence[EndedRound],
        *,
        passed: Mapping[str, Json],
        earlier: Mapping[str, Json],
    ) -> Plan:
        """A plan that can be run; `visit` is at the round's path.

        What an earlier try was given and could not use is not read for ever: once the journal has no more of it, the
        question is asked anew, under its next ordinals.

        Raises:
            PlanInvalid: with what is wrong with it.
            HarnessError: what the metered call raises.
        """
        request = plan_request(self._node, self._loaded.files, visit.values, workers, ended)
        ordinals = count()
        while True:
            read, paid = await self._asked_with_repair(request, visit, ordinals)
            if isinstance(read, Rejected):
                problems = [read.reason]
            else:
                problems = plan_problems(read, workers, passed=passed, earlier=earlier)
                if not problems:
                    return read
            if paid:
                raise PlanInvalid(self._name, problems)

    async def _asked_with_repair(
        self, request: ModelRequest, visit: Visit, ordinals: Iterator[int]
    ) -> tuple[Plan | Rejected, bool]:
        """The last answer as it was read, and whether any of them was asked for now."""
        context, paid, left = call_context(visit, self._node.role), False, _REPAIRS
        while True:
            answer = await answer_of_model(visit, request, context, next(ordinals))
            paid = paid or not answer.replayed
            read = _read(answer, self._node.max_steps)
            if not isinstance(read, Rejected) or not (left and read.repairable):
                return read, paid
            request, left = repaired(request, answer.reply.text, read.reason), left - 1


def _read(answer: Answer, max_steps: int) -> Plan | Rejected:
    reply = answer.reply
    if any(isinstance(part, RefusalPart) for part in reply.message.parts):
        return Rejected(_UNFINISHED[StopReason.REFUSAL], repairable=False)
    if reply.stop in _UNFINISHED:
        return Rejected(f"{_UNFINISHED[reply.stop]} ({reply.stop_raw})", repairable=False)
    return read_plan(reply.text, max_steps=max_steps)
