"""How a node's result comes about: from the cache, by its kind's work tried as often as it says, or by its fallback."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from harness.exceptions import (
    BudgetExceeded,
    LeaseHeld,
    NodeTimedOut,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.json_values import Json
from harness.workflow.events import FallbackTaken, NodeRetried, ResultReused
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import AgentNode, BranchNode, ModelNode, PlanNode, WorkNode
from harness.workflow.nodes.caching import CacheKeys
from harness.workflow.nodes.kinds import kind_runner
from harness.workflow.nodes.node_services import KindRunner, SeveralKeys, Visit
from harness.workflow.nodes.retrying import retried

# What neither a fallback nor a skipped item may hide: somebody else is to decide, or the run is not ours.
_NEVER_REPLACED = (BudgetExceeded, WaitsForPerson, LeaseHeld, RunInterrupted, RunCancelled)


def never_replaced(error: BaseException) -> bool:
    """Whether an error ends the run here and now, whatever the node says."""
    return isinstance(error, _NEVER_REPLACED)


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
        """The node's output for one visit; a plan's as a mapping of the state keys that it writes.

        Raises:
            HarnessError: the last attempt's, where there is no fallback; the fallback's own where it failed too.
            Exception: whatever a project's code raised.
        """
        if self._keys is None:
            return await self._with_fallback(visit)
        assert self.node.cache is not None
        digest = await self._keys.digest(visit)
        known = await visit.services.cache.find(digest)
        if known is not None:
            visit.services.on_event(ResultReused(self.name, known.run_id))
            return known.result
        result = await self._with_fallback(visit)
        await visit.services.cache.keep(digest, result, run_id=visit.run.run_id, seconds=self.node.cache.seconds)
        return result

    async def _with_fallback(self, visit: Visit) -> Json:
        try:
            return await self._tried(self._work, visit)
        except Exception as error:
            fallback = self.node.fallback
            if fallback is None or never_replaced(error):
                raise
            visit.services.on_event(FallbackTaken(self.name, type(error).__name__, str(error)))
            if self._instead is None:
                return self._by_key(fallback.value)
            try:
                return await self._tried(self._instead, replace(visit, path=f"{visit.path}/fallback"))
            except Exception as second:
                raise second from error

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
            on_retry=lambda attempt, wait, error: services.on_event(NodeRetried(self.name, attempt, wait, str(error))),
        )

    def _by_key(self, result: Json | SeveralKeys) -> Json:
        if isinstance(result, SeveralKeys):
            return result.values
        return {self.node.output: result} if isinstance(self.node, PlanNode) else result

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


def _fallback_runner(loaded: LoadedWorkflow, name: str, node: WorkNode) -> KindRunner | None:
    """The same node asking another role; None where the fallback is a value or there is none."""
    if not isinstance(node, ModelNode | AgentNode) or node.fallback is None or node.fallback.role is None:
        return None
    return kind_runner(loaded, name, node.model_copy(update={"role": node.fallback.role}))
