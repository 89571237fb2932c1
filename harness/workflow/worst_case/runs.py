"""The bound of one run: each node that asks models, by its kind, with the workflows and workers that it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from harness.exceptions import NodeFailed
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import AgentNode, BranchNode, ModelNode, PlanNode, Worker, WorkflowNode, WorkNode
from harness.workflow.nodes.retrying import is_tried_again
from harness.workflow.spec import WorkflowSpec
from harness.workflow.worst_case.bounds import Amount, Bound, NodeWorstCase, OneOf, Repeated, Together, WorstCase
from harness.workflow.worst_case.questions import BodyBytes, Dearest, Decide, Question, Questions
from harness.workflow.worst_case.visits import most_visits

# An answer that is no plan is sent back once; see `nodes/plan/asking.py`.
_ASKED_FOR_A_PLAN = 2
# An answer outside a worker's schema is sent back as often as a model node's own default says.
_REPAIRS_OF_A_WORKER = int(ModelNode.model_fields["repair"].default)


def worst_case(
    loaded: LoadedWorkflow,
    decide: Decide,
    dearest: Dearest,
    body_bytes: BodyBytes,
    *,
    values: Mapping[str, Json] | None = None,
    items: int | None = None,
) -> WorstCase:
    """The bound of one run of a checked workflow.

    Args:
        values: state keys as they will be at the start; keys that some node writes are left out of account.
        items: how long to assume every list whose length is not known.

    Raises:
        RoleUnbound, NameUnknown: nothing fills a role.
        PriceUnknown: a target has no price, so a run would be refused.
    """
    bound = _Run(loaded, Questions(decide, dearest, body_bytes), values or {}, items).bound()
    return WorstCase(bound, _limit_usd(loaded.spec))


class _Run:
    """One run of one workflow, which may be a step of another's.

    Args:
        tries: how often it may be taken up again after a failure by the workflow that it is a step of.
    """

    def __init__(
        self,
        loaded: LoadedWorkflow,
        questions: Questions,
        values: Mapping[str, Json],
        items: int | None,
        *,
        tries: int = 1,
    ) -> None:
        self._loaded = loaded
        self._questions = questions
        self._known = _never_written(loaded.spec, values)
        self._assumed = items
        self._tries = tries

    def bound(self) -> Together:
        visits = most_visits(self._loaded.spec)
        parts = [
            part
            for name, node in self._loaded.spec.work.items()
            if visits.get(name)
            for part in self._of_node(name, node, visits[name])
        ]
        return Together(tuple(parts), _limit_usd(self._loaded.spec))

    def _of_node(self, name: str, node: WorkNode, visits: int) -> list[Bound]:
        if isinstance(node, BranchNode):
            return []
        often = _Often(visits, self._items(node.for_each))
        match node:
            case ModelNode() | AgentNode():
                return self._of_asking(name, node, often)
            case PlanNode():
                return [Together((self._of_planner(name, node, often), self._of_steps(name, node, often)))]
            case WorkflowNode():
                run = self._of_workflow(node.workflow, self._given(node), tries=node.retry.attempts)
                return [Repeated(run, often.visits, often.items, name)]
            case _:
                return []

    def _of_asking(self, name: str, node: ModelNode | AgentNode, often: "_Often") -> list[Bound]:
        """The node's own role, and the one that is asked when it has failed."""
        found: list[Bound] = [self._asked(name, node, often)]
        if node.fallback is not None and node.fallback.role is not None:
            instead = node.model_copy(update={"role": node.fallback.role})
            found.append(self._asked(name, instead, often, place=f"{name}/fallback"))
        return found

    def _asked(
        self, name: str, node: ModelNode | AgentNode, often: "_Often", *, place: str | None = None
    ) -> NodeWorstCase:
        if isinstance(node, ModelNode):
            question, limit = self._questions.of_model(self._loaded, name, node, self._known), None
        else:
            # What its tools answer has no size that is known.
            question = self._of_any_size(name, node.role, node.max_output_tokens, sends=node.limits.steps)
            limit = None if node.limits.usd is None else Decimal(str(node.limits.usd))
        attempts = node.retry.attempts * self._tries
        whole = question.whole.times(attempts).at_most(limit)
        return often.of(place or name, node.role, question, whole, attempts=attempts)

    def _of_planner(self, name: str, node: PlanNode, often: "_Often") -> NodeWorstCase:
        """A plan a round, each asked for anew where it is none, with all that is told of the rounds before."""
        rounds = 1 + node.max_replans
        question = self._of_any_size(name, node.role, node.max_output_tokens, sends=_ASKED_FOR_A_PLAN * rounds)
        attempts = node.retry.attempts * self._tries
        whole = question.whole.times(attempts)
        return often.of(f"{name}/planner", node.role, question, whole, attempts=attempts)

    def _of_steps(self, name: str, node: PlanNode, often: "_Often") -> Bound:
        """Every step of every round by the dearest of the workers."""
        steps = (1 + node.max_replans) * node.max_steps
        # A node that is tried again after a failed step makes what failed anew.
        failed = NodeFailed("", name, "")
        steps *= node.retry.attempts if is_tried_again(node.retry, failed) else 1
        workers = (self._of_worker(name, each, worker, node, steps, often) for each, worker in node.workers.items())
        return OneOf(tuple(worker for worker in workers if worker is not None))

    def _of_worker(
        self, name: str, worker_name: str, worker: Worker, node: PlanNode, steps: int, often: "_Often"
    ) -> Bound | None:
        place = f"{name}/workers/{worker_name}"
        if worker.workflow is not None:
            run = self._of_workflow(worker.workflow, None, tries=node.retry.attempts)
            return Repeated(run, steps * often.visits, often.items, place)
        if worker.role is None:
            return None
        sends = 1 + (_REPAIRS_OF_A_WORKER if worker.output is not None else 0)
        question = self._of_any_size(name, worker.role, worker.max_output_tokens, sends=sends)
        attempts = node.retry.attempts * self._tries
        return often.of(place, worker.role, question, question.whole.times(attempts * steps), attempts=attempts)

    def _of_workflow(self, name: str, given: Mapping[str, Json] | None, *, tries: int) -> Bound:
        """A run of another workflow, which goes on where it failed each time that its node is tried again.

        Args:
            given: of its inputs those whose values are known; None where none is.
        """
        child = self._loaded.step_workflow(name)
        defaults = {key: each.default for key, each in child.spec.state.items() if key not in child.spec.inputs}
        values: JsonObject = {**defaults, **(given or {})}
        return _Run(child, self._questions, values, self._assumed, tries=self._tries * tries).bound()

    def _given(self, node: WorkflowNode) -> JsonObject:
        """What is known of the inputs that a workflow is given: plain values, and state keys that stay as they are."""
        state = self._loaded.step_workflow(node.workflow).spec
        known: JsonObject = {key: state.state[key].default for key in state.inputs if key not in node.inputs}
        for key, argument in node.inputs.items():
            if not (isinstance(argument, dict) and argument.keys() == {"from"}):
                known[key] = argument
            elif isinstance(argument["from"], str) and argument["from"] in self._known:
                known[key] = self._known[argument["from"]]
        return known

    def _of_any_size(self, name: str, role: str, max_output_tokens: int, *, sends: int) -> Question:
        workflow = self._loaded.spec.workflow
        return self._questions.of_any_size(workflow, name, role, max_output_tokens=max_output_tokens, sends=sends)

    def _items(self, for_each: str | None) -> int | None:
        if for_each is None:
            return 1
        if for_each not in self._known:
            return self._assumed
        items = self._known[for_each]
        return len(items) if isinstance(items, list) else 0


@dataclass(frozen=True, slots=True)
class _Often:
    """How often a node runs, and over how many items each time."""

    visits: int
    items: int | None

    def of(self, place: str, role: str, question: Question, whole: Amount, *, attempts: int) -> NodeWorstCase:
        return NodeWorstCase(
            node=place,
            role=role,
            models=question.models,
            visits=self.visits,
            items=self.items,
            attempts=attempts,
            send=question.send,
            question=whole,
            of_any_size=question.of_any_size,
        )


def _never_written(spec: WorkflowSpec, values: Mapping[str, Json]) -> JsonObject:
    """The values that stay as they are for the whole run."""
    written: set[str] = set()
    for name in spec.work:
        written.update(spec.outputs(name))
    return {key: value for key, value in values.items() if key not in written}


def _limit_usd(spec: WorkflowSpec) -> Decimal | None:
    return None if spec.limits.usd is None else Decimal(str(spec.limits.usd))
