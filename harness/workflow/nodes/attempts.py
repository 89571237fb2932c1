"""How a node's result comes about: from the cache, by its kind's work tried as often as it says, or by its fallback."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    LimitOfRunReached,
    NodeFailed,
    NodeTimedOut,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.json_values import Json
from harness.workflow.events import FallbackTaken, NodeRetried, ResultReused
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import AgentNode, BranchNode, CodeNode, ModelNode, PlanNode, WorkNode
from harness.workflow.nodes.caching import CacheKeys
from harness.workflow.nodes.kinds import kind_runner
from harness.workflow.nodes.node_services import KindRunner, SeveralKeys, Visit
from harness.workflow.nodes.retrying import retried
from harness.workflow.nodes.tool_calls import STEP_KIND

# What neither a fallback nor a skipped item may hide: somebody else is to decide, the run is not ours, or a limit is
# reached, which whatever came instead would have anew.
_NEVER_REPLACED = (BudgetExceeded, LimitOfRunReached, WaitsForPerson, LeaseHeld, RunInterrupted, RunCancelled)

# Below a visit's place: where the other role is asked.
_FALLBACK = "fallback"


def never_replaced(error: BaseException) -> bool:
    """Whether an error ends the run here and now, whatever the node says."""
    return isinstance(error, _NEVER_REPLACED)


def writes_by_key(node: WorkNode) -> bool:
    """Whether a node's result is a mapping of state keys that may leave some of them out."""
    return isinstance(node, PlanNode) or (isinstance(node, CodeNode) and node.whole_state and node.for_each is None)


class Attempts:
    """The results of one node of one workflow."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: WorkNode) -> None:
        assert not isinstance(node, BranchNode)
        self.name = name
        self.node = node
        self._work: KindRunner = kind_runner(loaded, name, node)
        self._instead = _fallback_runner(loaded, name, node)
        self._keys = CacheKeys(loaded, name, node) if node.cache is not None else None

    async def result(self, visit: Visit) -> Json:
        """The node's output for one visit; where it `writes_by_key`, a mapping of state keys.

        Raises:
            HarnessError: the last attempt's, where there is no fallback; the fallback's own where it failed too.
            Exception: whatever a project's code raised.
        """
        if self._keys is None:
            return (await self._with_fallback(visit))[0]
        assert self.node.cache is not None
        digest = await self._keys.digest(visit)
        known = await visit.services.cache.find(digest)
        if known is not None:
            visit.services.on_event(ResultReused(self.name, known.run_id))
            return known.result
        result, is_own = await self._with_fallback(visit)
        if is_own:
            # What answered instead would stand for the node's own result long after the node works again.
            await visit.services.cache.keep(digest, result, run_id=visit.run.run_id, seconds=self.node.cache.seconds)
        return result

    async def _with_fallback(self, visit: Visit) -> tuple[Json, bool]:
        """The result, and whether it is the node's own and not its fallback's."""
        try:
            return await self._tried(self._work, visit), True
        except Exception as error:
            fallback = self.node.fallback
            if fallback is None or never_replaced(error):
                raise
            told = visit.services.redactor.text(str(error))
            if self._instead is None:
                visit.services.on_event(FallbackTaken(self.name, type(error).__name__, told))
                return self._by_key(fallback.value), False
            await self._require_no_effect(visit, error)
            visit.services.on_event(FallbackTaken(self.name, type(error).__name__, told))
            try:
                return await self._tried(self._instead, replace(visit, path=f"{visit.path}/{_FALLBACK}")), False
            except Exception as second:
                raise second from error

    async def _require_no_effect(self, visit: Visit, error: Exception) -> None:
        """Let another role be asked only where an agent has called nothing that changes the world.

        It would begin anew at a place of its own, so that it would make each effect again under another key. Which tool
        a recorded step is of is not recorded: with a tool that has an effect each step of a tool may be one.

        Raises:
            NodeFailed: it may have made one.
        """
        if not isinstance(self.node, AgentNode):
            return
        steps = await visit.services.journal.steps(visit.path)
        others = f"{visit.path}/{_FALLBACK}/"
        if not any(step.kind == STEP_KIND and not step.path.startswith(others) for step in steps):
            return
        for tool in self.node.tools:
            if await _has_effect(tool, visit):
                reason = f"{error}; no other role is asked instead, which might make the effect of {tool!r} once more"
                raise NodeFailed(visit.run.run_id, self.name, reason) from error

    async def _tried(self, runner: KindRunner, visit: Visit) -> Json:
        async def once() -> Json:
            return self._by_key(await runner.run(visit))

        def work() -> Awaitable[Json]:
            return self._timed(once, visit)

        services = visit.services
        return await retried(
            work,
            self.node.retry,
            chance=services.random,
            sleep=services.sleep,
            on_retry=lambda attempt, wait, error: services.on_event(
                NodeRetried(self.name, attempt, wait, services.redactor.text(str(error)))
            ),
        )

    def _by_key(self, result: Json | SeveralKeys) -> Json:
        if isinstance(result, SeveralKeys):
            return result.values
        return {self.node.output: result} if writes_by_key(self.node) and isinstance(self.node.output, str) else result

    async def _timed(self, work: Callable[[], Awaitable[Json]], visit: Visit) -> Json:
        if self.node.timeout_seconds is None:
            return await work()
        bound = asyncio.timeout(self.node.timeout_seconds)
        try:
            async with bound:
                return await work()
        except TimeoutError as error:
            if not bound.expired():
                raise  # the project's own: a socket's, say
            raise NodeTimedOut(visit.run.run_id, self.name, self.node.timeout_seconds) from error


async def _has_effect(tool: str, visit: Visit) -> bool:
    """Whether a tool changes something in the world; of one that cannot be looked at that must be thought."""
    try:
        return (await visit.services.toolbox.tool(tool)).spec.effect
    except HarnessError:
        return True


def _fallback_runner(loaded: LoadedWorkflow, name: str, node: WorkNode) -> KindRunner | None:
    """The same node asking another role; None where the fallback is a value or there is none."""
    if not isinstance(node, ModelNode | AgentNode) or node.fallback is None or node.fallback.role is None:
        return None
    return kind_runner(loaded, name, node.model_copy(update={"role": node.fallback.role}))
