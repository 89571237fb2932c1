"""One node of a running workflow: its visits, items, tasks and output, whatever its kind.

How often what it does is tried, what answers when it fails and what is taken from the cache is left to `attempts.py`;
what a kind does, to that kind's module.
"""

from collections.abc import Mapping, Sequence
from traceback import format_exception
from typing import Any

from harness.exceptions import CallableRefused, HarnessError, LimitOfRunReached, NodeFailed
from harness.json_values import Json, JsonObject, digest_of
from harness.ledger.tasks import Task, task_id_for
from harness.workflow.events import ItemFinished, ItemSkipped, NodeFinished, NodeSkipped, NodeStarted
from harness.workflow.expressions import holds
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import BranchNode, CodeNode, WorkNode
from harness.workflow.node_options import OnItemError
from harness.workflow.nodes.attempts import Attempts, never_replaced, writes_by_key
from harness.workflow.nodes.mapping import over_items
from harness.workflow.nodes.node_origins import NodeOrigins
from harness.workflow.nodes.node_services import RunContext, Visit
from harness.workflow.nodes.step_journal import StepStatus
from harness.workflow.origins import ORIGINS, Carried, note_origin, pass_on_origin
from harness.workflow.reads import names_of_visit
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import VISITS, misfit, value_at

State = Mapping[str, Any]


class NodeRunner:
    """Runs one node in any run of its workflow, so that a graph is compiled once.

    What is returned is the update of the state.
    """

    def __init__(self, loaded: LoadedWorkflow, name: str) -> None:
        self.name = name
        self.node: WorkNode = loaded.spec.work[name]
        self._spec = loaded.spec
        self._attempts = None if isinstance(self.node, BranchNode) else Attempts(loaded, name, self.node)
        self._origins = NodeOrigins(loaded, name)
        # The state keys that an item's work reads, whose list may be another the next time.
        self._heads = frozenset(each.partition(".")[0] for each in names_of_visit(loaded, name))

    async def run(self, state: State, context: RunContext) -> JsonObject:
        """The update of the state.

        Raises:
            LimitOfRunReached: a loop came here more often than `max_visits`.
            HarnessError: with what the node failed; any other exception of a project's code comes as `NodeFailed`.
        """
        most = self.node.max_visits
        if most is not None and state[VISITS].get(self.name, 0) >= most:
            raise LimitOfRunReached(context.run.run_id, f"max_visits of node {self.name!r}", most)
        update: JsonObject = {VISITS: {self.name: 1}} if VISITS in state else {}
        if self._attempts is None or isinstance(self.node, BranchNode):
            return update  # its edges choose
        try:
            with context.under_way.one():
                if self.node.when is not None and not holds(self.node.when, state):
                    context.services.on_event(NodeSkipped(self.name))
                    return update
                visits = _Visits(self.node, self._spec, self._attempts, self._origins, self._heads, state, context)
                return update | await _updated(visits)
        except HarnessError as error:
            told = self._without_secrets(error, context)
            await context.under_way.done(self.name, told)
            if told is error:
                raise
            raise told from None
        except Exception as error:  # noqa: BLE001 - whatever a project's code raises, it is raised again in words
            await context.under_way.done()
            text = f"{type(error).__name__}: {error}"
            told = NodeFailed(context.run.run_id, self.name, context.services.redactor.text(text))
            pass_on_origin(error, told)
            clean = context.services.redactor.is_clean("".join(format_exception(error)))
            raise told from (error if clean else None)

    def _without_secrets(self, error: HarnessError, context: RunContext) -> HarnessError:
        """The error as it may be told: as it is, unless a project's code said a secret with it."""
        redactor = context.services.redactor
        if never_replaced(error) or redactor.is_clean(str(error)):
            return error
        told = NodeFailed(context.run.run_id, self.name, redactor.text(f"{type(error).__name__}: {error}"))
        pass_on_origin(error, told)
        return told


async def _updated(visits: "_Visits") -> JsonObject:
    try:
        return await visits.update()
    except Exception as error:
        await visits.failed(error)
        raise


class _Visits:
    """One time that a run comes to a node, over all its items."""

    def __init__(
        self,
        node: Any,
        spec: WorkflowSpec,
        attempts: Attempts,
        origins: NodeOrigins,
        heads: frozenset[str],
        state: State,
        context: RunContext,
    ) -> None:
        self.name = attempts.name
        self.node = node
        self._spec = spec
        self._attempts = attempts
        self._state = state
        self._run = context.run
        self._services = context.services
        self._skipped: list[Json] = []
        self._origins = origins
        self._read = origins.read(state)
        self._carried: list[Carried] = []
        self._heads = heads
        self._beside_item: str | None = None

    async def update(self) -> JsonObject:
        began = self._services.monotonic()
        results = await self._results()
        update = self._output(results)
        if self.node.errors is not None:
            self._skipped.sort(key=lambda each: each["item"] if isinstance(each, dict) else 0)  # pyright: ignore[reportArgumentType, reportCallIssue]
            update[self.node.errors] = self._skipped
        if ORIGINS in self._state:
            update[ORIGINS] = await self._origins.written(
                update, self._carried, self._state, self._services, self._place()
            )
        self._services.on_event(NodeFinished(self.name, self._services.monotonic() - began))
        return update

    def _place(self) -> str:
        visit = self._state.get(VISITS, {}).get(self.name, 0) + 1
        return self.name if visit == 1 else f"{self.name}:{visit}"

    async def failed(self, error: Exception) -> None:
        """Note what the node had before it that failed: the words of its failure may be made of it."""
        if ORIGINS in self._state and not never_replaced(error):
            note_origin(error, await self._origins.had(self._carried, self._state, self._services))

    async def _results(self) -> list[Json]:
        values = dict(self._state)
        for hidden in (VISITS, ORIGINS):
            values.pop(hidden, None)
        place = self._place()
        if self.node.for_each is None:
            self._services.on_event(NodeStarted(self.name, None))
            return [await self._attempts.result(await self._visit(values, place))]
        items = _list_of(values, self.node.for_each, self._run.run_id, self.name)
        self._services.on_event(NodeStarted(self.name, len(items)))
        done = 0

        async def one(number: int, item: Json) -> Json:
            nonlocal done
            result = await self._item(values | {self.node.item: item}, place, number)
            done += 1
            self._services.on_event(ItemFinished(self.name, done, len(items)))
            return result

        return await over_items(items, one, max_concurrency=self.node.max_concurrency)

    async def _item(self, values: JsonObject, place: str, number: int) -> Json:
        """One item; where its failure is to be skipped, null stands for it and it is listed."""
        visit = await self._visit(values, f"{place}[{number}]")
        try:
            return await (self._recorded(visit) if isinstance(self.node, CodeNode) else self._attempts.result(visit))
        except Exception as error:
            if self.node.on_item_error is not OnItemError.SKIP or never_replaced(error):
                raise
            kind, message = type(error).__name__, self._services.redactor.text(str(error))
            self._skipped.append({"item": number, "error": kind, "message": message})
            self._services.on_event(ItemSkipped(self.name, number, kind, message))
            return None

    async def _recorded(self, visit: Visit) -> Json:
        """What code made of an item, once: the items that are done stay done when another one fails."""
        journal = self._services.journal
        digest = digest_of([visit.values[self.node.item], self._made_with()])
        step = await journal.begin(visit.path, "item", digest)
        if step.status is StepStatus.DONE:
            return step.result
        try:
            result = await self._attempts.result(visit)
        except Exception as error:
            if not never_replaced(error):
                reason = self._services.redactor.text(f"{type(error).__name__}: {error}")
                await journal.fail(visit.path, digest, reason)
            raise
        await journal.finish(visit.path, digest, result)
        return result

    def _made_with(self) -> str:
        """A digest of what makes a code node's results beside the item: the code, its arguments, the state it reads."""
        if self._beside_item is None:
            read = {key: value for key, value in self._state.items() if key in self._heads}
            self._beside_item = digest_of(
                {
                    "code": self.node.code,
                    "whole_state": self.node.whole_state,
                    "arguments": self.node.arguments,
                    "reads": read,
                }
            )
        return self._beside_item

    async def _visit(self, values: JsonObject, path: str) -> Visit:
        carried = Carried(self._read, given=self._origins.given(self._state))
        self._carried.append(carried)
        return Visit(self.name, path, await self._task_of(values), values, self._run, self._services, carried)

    async def _task_of(self, values: JsonObject) -> str:
        """The task an item's calls are charged to: its own where the node says so, else the run's."""
        spec = self.node.task
        if spec is None:
            return self._run.task_id
        item = values[self.node.item]
        key = str(value_at(spec.key, item) if isinstance(item, dict) else item)
        task_id = task_id_for(self._run.run_id, spec.kind, key)
        await self._services.start_task(
            Task(
                task_id=task_id,
                organisation=self._run.organisation,
                person=self._run.person,
                kind=spec.kind,
                key=key,
                run_id=self._run.run_id,
                workflow=self._spec.workflow,
                parent_id=self._run.task_id,
                started_at=self._services.clock(),
            )
        )
        return task_id

    def _output(self, results: list[Json]) -> JsonObject:
        if writes_by_key(self.node):
            return self._checked(_by_key(results, self._spec.outputs(self.name), many=self.node.for_each is not None))
        value: Json = results if self.node.for_each else results[0]
        output: str | tuple[str, ...] | None = self.node.output
        if output is None:
            return {}
        return self._checked({output: value} if isinstance(output, str) else self._spread(output, value))

    def _checked(self, written: JsonObject) -> JsonObject:
        for key, each in written.items():
            reason = misfit(key, each, self._spec.state.get(key))
            if reason is not None:
                raise NodeFailed(self._run.run_id, self.name, reason)
        return written

    def _spread(self, keys: tuple[str, ...], value: Json) -> JsonObject:
        """A result with several outputs is a mapping that has them all."""
        if not isinstance(value, dict) or not set(keys) <= value.keys():
            missing = sorted(set(keys) - (value.keys() if isinstance(value, dict) else set()))
            raise CallableRefused(self.name, ", ".join(missing), "its result is a mapping with each of `output`")
        return {key: value[key] for key in keys}


def _by_key(results: list[Json], keys: Sequence[str], *, many: bool) -> JsonObject:
    """What a plan writes to each of its keys; lists of it where it ran for several items."""
    mappings = [each if isinstance(each, dict) else {} for each in results]
    written = [key for key in keys if any(key in each for each in mappings)]
    if many:
        return {key: [each.get(key) for each in mappings] for key in written}
    return {key: mappings[0][key] for key in written}


def _list_of(values: JsonObject, key: str, run_id: str, node: str) -> list[Json]:
    found = values.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise NodeFailed(run_id, node, f"for_each: state key {key!r} holds {type(found).__name__}, not a list")
    return found
