"""One node of a running workflow: its visits, items, tasks, retries and output, whatever its kind."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from harness.exceptions import (
    CallableRefused,
    FindingRefused,
    HarnessError,
    LimitOfRunReached,
    NodeFailed,
    NodeTimedOut,
)
from harness.json_values import Json, JsonObject
from harness.ledger.tasks import Task, task_id_for
from harness.workflow.events import ItemFinished, NodeFinished, NodeRetried, NodeStarted
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.callable_node import call_registered
from harness.workflow.nodes.findings import Findings, FoundBy
from harness.workflow.nodes.mapping import over_items
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.nodes.retrying import retried
from harness.workflow.spec import CodeNode, ModelNode, Node, RememberNode, ToolNode, WorkflowSpec
from harness.workflow.state_values import VISITS, misfit, value_at

State = Mapping[str, Any]


class NodeRunner:
    """Runs one node in any run of its workflow, so that a graph is compiled once.

    What is returned is the update of the state.
    """

    def __init__(self, loaded: LoadedWorkflow, name: str) -> None:
        self.name = name
        self.node: Node = loaded.spec.nodes[name]
        self._spec = loaded.spec
        self._model = ModelNodeRunner(loaded, name, self.node) if isinstance(self.node, ModelNode) else None

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
        if self.node.when is not None and not state.get(self.node.when):
            return update
        visit = _Visit(self, self._spec, self._model, state, context)
        try:
            with context.under_way.one():
                return update | await visit.update()
        except HarnessError:
            await context.under_way.done()
            raise
        except Exception as error:
            await context.under_way.done()
            raise NodeFailed(context.run.run_id, self.name, f"{type(error).__name__}: {error}") from error


class _Visit:
    """One time that a run comes to a node."""

    def __init__(
        self,
        runner: NodeRunner,
        spec: WorkflowSpec,
        model: ModelNodeRunner | None,
        state: State,
        context: RunContext,
    ) -> None:
        self.name = runner.name
        self.node = runner.node
        self._spec = spec
        self._model = model
        self._state = state
        self._run = context.run
        self._services = context.services

    async def update(self) -> JsonObject:
        began = self._services.monotonic()
        results = await self._results()
        update = self._output(results)
        self._services.on_event(NodeFinished(self.name, self._services.monotonic() - began))
        return update

    async def _results(self) -> list[Json]:
        values = {key: value for key, value in self._state.items() if not key.startswith("_")}
        visit = self._state.get(VISITS, {}).get(self.name, 0) + 1
        place = self.name if visit == 1 else f"{self.name}:{visit}"
        if self.node.for_each is None:
            self._services.on_event(NodeStarted(self.name, None))
            return [await self._tried(values, place)]
        items = _list_of(values, self.node.for_each, self._run.run_id, self.name)
        self._services.on_event(NodeStarted(self.name, len(items)))
        done = 0

        async def one(number: int, item: Json) -> Json:
            nonlocal done
            result = await self._tried(values | {self.node.item: item}, f"{place}[{number}]")
            done += 1
            self._services.on_event(ItemFinished(self.name, done, len(items)))
            return result

        return await over_items(items, one, max_concurrency=self.node.max_concurrency)

    async def _tried(self, values: JsonObject, path: str) -> Json:
        def work() -> Awaitable[Json]:
            return self._timed(lambda: self._once(values, path))

        return await retried(
            work,
            self.node.retry,
            chance=self._services.random,
            sleep=self._services.sleep,
            on_retry=lambda attempt, wait, error: self._services.on_event(
                NodeRetried(self.name, attempt, wait, str(error))
            ),
        )

    async def _timed(self, work: Callable[[], Awaitable[Json]]) -> Json:
        if self.node.timeout_seconds is None:
            return await work()
        bound = asyncio.timeout(self.node.timeout_seconds)
        try:
            async with bound:
                return await work()
        except TimeoutError as error:
            if not bound.expired():
                raise  # the project's own: a socket's, say
            raise NodeTimedOut(self._run.run_id, self.name, self.node.timeout_seconds) from error

    async def _once(self, values: JsonObject, path: str) -> Json:
        task_id = await self._task_of(values)
        node = self.node
        if self._model is not None:
            return await self._model.run(values, path, task_id, self._run, self._services)
        if isinstance(node, ToolNode | CodeNode):
            registered = node.tool if isinstance(node, ToolNode) else node.code
            function = self._services.resolve(registered)
            context = self._context()
            return await call_registered(registered, function, node.arguments, values, context)
        assert isinstance(node, RememberNode)
        return await self._remember(values[node.source])

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

    async def _remember(self, value: Json) -> Json:
        store = self._services.findings()
        if store is None:
            raise FindingRefused(self.name, "this project has no memory; name an `ontology` in harness.yaml")
        try:
            found = [Findings.model_validate(each) for each in (value if isinstance(value, list) else [value])]
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise FindingRefused(".".join(map(str, first["loc"])), first["msg"]) from error
        run = self._run
        found_by = FoundBy(
            run.organisation, run.person, run.run_id, self._spec.workflow, self.name, self._services.clock()
        )
        written = await store.remember(found, found_by)
        return {
            "records": written.records,
            "unchanged": written.unchanged,
            "entities": written.entities,
            "links": written.links,
        }

    def _context(self) -> NodeContext:
        run = self._run
        return NodeContext(
            run_id=run.run_id,
            workflow=self._spec.workflow,
            node=self.name,
            organisation=run.organisation,
            person=run.person,
            working_folder=run.working_folder,
            project_folder=run.project_folder,
            ledger=self._services.ledger,
        )

    def _output(self, results: list[Json]) -> JsonObject:
        value: Json = results if self.node.for_each else results[0]
        output = self.node.output
        if output is None:
            return {}
        written = {output: value} if isinstance(output, str) else self._spread(output, value)
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


def _list_of(values: JsonObject, key: str, run_id: str, node: str) -> list[Json]:
    found = values.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise NodeFailed(run_id, node, f"for_each: state key {key!r} holds {type(found).__name__}, not a list")
    return found
