"""The threads of runs, made when they are first needed, because making one imports langgraph."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.engines.run_orders import origin_of_all
from harness.engines.run_store import Run
from harness.json_values import JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.origins import CLEAN, Origin

if TYPE_CHECKING:  # light: what it names is loaded by who needs a thread
    from harness.engines.graph_threads import GraphThread

_GRAPHS_KEPT = 32


class RunThreads:
    """Threads of one organisation's runs; compiling a graph takes longer than many a run, so the last ones are kept.

    Args:
        saver_for: the checkpoint saver for a person's run.
    """

    def __init__(self, saver_for: Callable[[str], Any]) -> None:
        self._saver_for = saver_for
        self._savers: dict[str, Any] = {}
        self._graphs: dict[tuple[str, str], Any] = {}

    def of(self, run: Run, loaded: LoadedWorkflow) -> "GraphThread":
        """A run's thread under one workflow."""
        from harness.engines.graph_threads import GraphThread
        from harness.workflow.compiler import compile_graph

        saver = self._saver(run.person)
        key = (loaded.digest, run.person)
        if key not in self._graphs:
            if len(self._graphs) >= _GRAPHS_KEPT:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[key] = compile_graph(loaded, checkpointer=saver)
        return GraphThread(run.run_id, loaded, self._graphs[key], saver)

    async def state(self, run: Run) -> JsonObject:
        """The workflow's keys at a run's newest checkpoint; empty before the first."""
        from harness.engines.graph_threads import state_in, thread_config

        found = await self._saver(run.person).aget_tuple(thread_config(run.run_id))
        return state_in(found) if found else {}

    async def origin(self, run: Run) -> Origin:
        """What a run's state carries at its newest checkpoint, all of it together."""
        from harness.engines.graph_threads import channels_in, thread_config

        found = await self._saver(run.person).aget_tuple(thread_config(run.run_id))
        return origin_of_all(channels_in(found)) if found else CLEAN

    def _saver(self, person: str) -> Any:
        if person not in self._savers:
            self._savers[person] = self._saver_for(person)
        return self._savers[person]
