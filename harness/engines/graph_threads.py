"""One run as a thread of LangGraph: its graph, run within the run's bounds, and its checkpoints, read back.

The one module of the engines that imports langgraph; who needs a thread imports this when it does.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# langgraph and langsmith leave the values of state and configuration untyped.

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langgraph.errors import GraphDrained
from langgraph.graph import END
from langgraph.runtime import RunControl, Runtime
from langsmith import tracing_context
from typing_extensions import override

from harness.exceptions import LimitOfRunReached
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import NodesUnderWay, RunContext
from harness.workflow.spec import LimitsSpec
from harness.workflow.state_values import initial_state

# LangGraph counts the inputs as step -1 and taking them in as step 0; the first nodes make step 1.
INPUTS_TAKEN = 0
_BEFORE_THAT = -1
# What is written under this task is part of the checkpoint it is written on, and taken in when the thread goes on.
# Source: `NULL_TASK_ID` of langgraph._internal._constants, version 1.2.
_OF_NO_TASK = "00000000-0000-0000-0000-000000000000"

# Where LangGraph hands a node or a condition what the run brought. Source: `CONFIG_KEY_RUNTIME` of the same.
_RUNTIME = "__pregel_runtime"


@dataclass(frozen=True, slots=True)
class Position:
    """A thread at one of its checkpoints.

    Args:
        step: how many steps were taken to come here.
        ran: the nodes that the last of them ran; empty where a thread begins.
        next: the nodes that run from here.
    """

    checkpoint_id: str
    step: int
    at: datetime
    ran: tuple[str, ...]
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a node's conditions can lead, and where they lead now; empty where it has none."""

    possible: frozenset[str]
    chosen: frozenset[str]


class GraphThread:
    """The thread of one run under one workflow.

    Args:
        saver: holds the checkpoints; writing them may be refused to who does not hold the run's lease.
    """

    def __init__(self, run_id: str, loaded: LoadedWorkflow, graph: Any, saver: Any) -> None:
        self.run_id = run_id
        self.graph = graph
        self._loaded = loaded
        self._saver = saver

    async def run(self, context: RunContext, start: JsonObject, *, active_seconds: float) -> JsonObject:
        """Run the graph from its newest checkpoint, or from the start where there is none; the state it ends in.

        Args:
            start: the state before the first node.
            active_seconds: for how long the run was advanced before.

        Raises:
            LimitOfRunReached: more steps or seconds than the run may take, over all its resumes.
            HarnessError: with what a node failed.
        """
        limits = self._loaded.spec.limits
        newest = await self.checkpoint()
        if newest is not None:
            await self._add_new_keys(newest)
        taken = newest.metadata["step"] if newest is not None else _BEFORE_THAT
        try:
            async with asyncio.timeout(limits.seconds - active_seconds):
                values = await self._invoke(None if newest else start, context, limits, taken)
        except GraphDrained as error:
            raise LimitOfRunReached(self.run_id, "steps", limits.steps) from error
        except TimeoutError as error:
            raise LimitOfRunReached(self.run_id, "seconds", limits.seconds) from error
        return own_keys(values or {})  # None of a workflow without a state

    async def _invoke(self, start: JsonObject | None, context: RunContext, limits: LimitsSpec, taken: int) -> Any:
        # LangGraph's own bound starts anew with each resume, so ours is the control; its default of 10,007 is not used.
        config = thread_config(self.run_id) | {"recursion_limit": limits.steps + 2}
        control = _StepsLeft(limits.steps - taken, context.under_way)
        # Nothing of a run is ever uploaded to LangSmith, whatever the environment says.
        with tracing_context(enabled=False):
            # "sync": a step's checkpoint is written before the next one begins. The values alone are asked for, because
            # `ainvoke` gathers every node's update beside them.
            newest: Any = None
            async for values in self.graph.astream(
                start, config, context=context, durability="sync", control=control, stream_mode="values"
            ):
                newest = values
            return newest

    async def checkpoint(self, checkpoint_id: str | None = None) -> Any | None:
        """A checkpoint with its values and metadata, the newest where none is named; None where there is none."""
        return await self._saver.aget_tuple(thread_config(self.run_id, checkpoint_id))

    async def channel_values(self) -> JsonObject:
        """What a node would be given at the newest checkpoint; empty before the first."""
        newest = await self.checkpoint()
        return channels_in(newest) if newest is not None else {}

    async def positions(self) -> list[Position]:
        """Where the thread has been, from taking in the inputs, or from where it was forked, to now."""
        snapshots = [each async for each in self._snapshots() if each.metadata["step"] >= INPUTS_TAKEN]
        found: list[Position] = []
        for snapshot in reversed(snapshots):
            ran = found[-1].next if found else ()
            found.append(_position(snapshot, ran))
        return found

    async def write_first(self, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Begin the thread with a checkpoint of another."""
        await self._saver.aput(thread_config(self.run_id), checkpoint, metadata, checkpoint["channel_versions"])

    def channels(self) -> frozenset[str]:
        """What the graph keeps: state keys, triggers of nodes, meetings of branches."""
        return frozenset(self.graph.channels)

    async def position(self, config: Mapping[str, Any] | None = None) -> Position:
        """One checkpoint of the thread, the newest where none is named; which nodes ran to come here is not told."""
        return _position(await self.graph.aget_state(config or thread_config(self.run_id)), ())

    async def chosen_ways(self, node: str, state: Mapping[str, Any], context: RunContext) -> "Ways":
        """Where a node's conditions lead for a state."""
        possible: set[str] = set()
        chosen: set[str] = set()
        values = {key: value for key, value in state.items() if key in self.channels()}
        for branch in self.graph.builder.branches.get(node, {}).values():
            config: Any = {"configurable": {_RUNTIME: Runtime(context=context)}}
            possible |= set(branch.ends.values())
            chosen |= set(await branch.path.ainvoke(values, config))
        return Ways(frozenset(possible) - {END}, frozenset(chosen) - {END})

    def _snapshots(self) -> AsyncIterator[Any]:
        return self.graph.aget_state_history(thread_config(self.run_id))

    async def _add_new_keys(self, newest: Any) -> None:
        """Give keys that the workflow got since the checkpoint their default, as a run that starts has it."""
        known = newest.checkpoint["channel_values"].keys() | {each[1] for each in _of_no_task(newest)}
        added = [(key, value) for key, value in initial_state(self._loaded.spec, {}).items() if key not in known]
        if added and newest.metadata["step"] >= INPUTS_TAKEN:
            await self._saver.aput_writes(newest.config, added, _OF_NO_TASK)


class _StepsLeft(RunControl):
    """Stops a graph before the step after the last that it may take.

    LangGraph asks it before each step that has something to run, and stops there with all that was done kept; a graph
    that has nothing more to run ends well, whatever is asked.
    """

    __slots__ = ("_left", "_under_way")

    def __init__(self, steps: int, under_way: NodesUnderWay) -> None:
        super().__init__()
        self._left = steps
        self._under_way = under_way

    @property
    @override
    def drain_requested(self) -> bool:
        if self._under_way.any():
            return False  # a graph within a node's own code asks the same: its steps are not ours
        self._left -= 1
        return self._left < 0


def state_in(checkpoint: Any) -> JsonObject:
    """The workflow's keys at a checkpoint."""
    return own_keys(channels_in(checkpoint))


def channels_in(checkpoint: Any) -> dict[str, Any]:
    """What a node is given at a checkpoint: the workflow's keys, and what is kept beside them."""
    values: dict[str, Any] = checkpoint.checkpoint["channel_values"] | {
        each[1]: each[2] for each in _of_no_task(checkpoint)
    }
    return {key: value for key, value in values.items() if not key.startswith(("__", "branch:", "join:"))}


def meetings_begun(checkpoint: Any) -> dict[str, frozenset[str]]:
    """Where branches meet and some have come: the channel of each such meeting, and who has come."""
    values: dict[str, Any] = checkpoint.checkpoint["channel_values"]
    return {name: frozenset(value) for name, value in values.items() if name.startswith("join:") and value}


def own_keys(values: Mapping[str, Json]) -> JsonObject:
    """What of a graph's channels is the workflow's state."""
    return {key: value for key, value in values.items() if not key.startswith(("_", "branch:", "join:"))}


def thread_config(run_id: str, checkpoint_id: str | None = None) -> dict[str, Any]:
    """LangGraph's name for a run's thread, or for one of its checkpoints."""
    named = {} if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
    return {"configurable": {"thread_id": run_id, "checkpoint_ns": "", **named}}


def _of_no_task(checkpoint: Any) -> list[tuple[str, str, Any]]:
    return [each for each in checkpoint.pending_writes or () if each[0] == _OF_NO_TASK]


def _position(snapshot: Any, ran: tuple[str, ...]) -> Position:
    return Position(
        checkpoint_id=snapshot.config["configurable"]["checkpoint_id"],
        step=snapshot.metadata["step"],
        at=datetime.fromisoformat(snapshot.created_at),
        ran=ran,
        next=tuple(sorted(snapshot.next)),
    )
