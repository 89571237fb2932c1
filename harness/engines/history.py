"""Where a run has been: its steps, its state at each, and another run that starts from one of them.

A fork is a run of its own: it has the state of the step it starts from, and nothing else of the run it came from;
what runs from there is done and paid for anew.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# langgraph leaves the values of state and configuration untyped.

from collections.abc import Mapping, Sequence
from typing import Any

from harness.engines.graph_threads import INPUTS_TAKEN, GraphThread, Position, channels_in, state_in
from harness.engines.run_orders import Fork, HistoryStep, misfits, unknown_keys
from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.json_values import JsonObject, plain_json
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.origins import ORIGINS, Origin

# What triggers a node in LangGraph's channels: written by the way that leads to it, emptied by the step it runs in.
_TRIGGER = "branch:to:{}"
_RAN = "ran"  # in the metadata of a fork's first checkpoint: the nodes whose ways may be chosen anew


async def history_of(thread: GraphThread) -> list[HistoryStep]:
    """The steps of a run, oldest first."""
    return [HistoryStep(each.step, each.at, each.ran, each.next) for each in await thread.positions()]


async def state_at(thread: GraphThread, step: int) -> JsonObject:
    """The state after a step.

    Raises:
        NameUnknown: the run has no such step.
    """
    position = await _position_at(thread, step)
    return state_in(await thread.checkpoint(position.checkpoint_id))


async def origins_at(thread: GraphThread, step: int) -> Mapping[str, Origin]:
    """What each key carried after a step; keys that carried nothing are left out.

    Raises:
        NameUnknown: the run has no such step.
    """
    position = await _position_at(thread, step)
    kept = channels_in(await thread.checkpoint(position.checkpoint_id)).get(ORIGINS) or {}
    return {key: Origin.from_json(each) for key, each in kept.items()}


async def fork_at(thread: GraphThread, loaded: LoadedWorkflow, step: int, changes: JsonObject) -> Fork:
    """Where a fork of a run begins, once its changes are known to fit.

    Raises:
        NameUnknown: the run has no such step.
        SpecificationInvalid: a change of a key that the state does not have, or to a value that does not fit it.
    """
    position = await _position_at(thread, step)
    if not position.next:
        reason = f"nothing runs after step {step}: fork it at an earlier one"
        raise SpecificationInvalid([f"fork of run {thread.run_id}: {reason}"])
    problems = unknown_keys(loaded.spec, changes) + misfits(loaded.spec, changes)
    if problems:
        raise SpecificationInvalid([f"fork of run {thread.run_id}: {each}" for each in problems])
    return Fork(position.checkpoint_id, {key: plain_json(value, where=key) for key, value in changes.items()})


async def begin_fork(thread: GraphThread, origin: GraphThread, fork: Fork, context: RunContext) -> None:
    """Write the first checkpoint of a forked run, in one piece; one that is there stays.

    Ways that the last nodes chose by conditions are chosen anew, because what was changed may decide them. What was
    written while the next step was under way is not taken along.

    Raises:
        NameUnknown: the checkpoint it was forked from is not there any more.
    """
    if await thread.checkpoint() is not None:
        return
    found = await origin.checkpoint(fork.checkpoint_id)
    if found is None:
        raise NameUnknown("checkpoint", f"{fork.checkpoint_id} of run {origin.run_id}")
    ran = await _ran_before(origin, found)
    values: dict[str, Any] = {**found.checkpoint["channel_values"], **state_in(found), **fork.changes}
    versions: dict[str, int] = dict(found.checkpoint["channel_versions"])
    if fork.changes:
        await _choose_anew(thread, ran, values, versions, context)
    newest = max(versions.values())
    versions |= dict.fromkeys(values.keys() - versions.keys(), newest)
    checkpoint = {
        **found.checkpoint,
        "channel_values": values,
        "channel_versions": versions,
        "updated_channels": None,
    }
    metadata = {"source": "fork", "step": found.metadata["step"], "parents": {}, _RAN: list(ran)}
    await thread.write_first(checkpoint, metadata)


async def _position_at(thread: GraphThread, step: int) -> Position:
    positions = await thread.positions()
    for position in positions:
        if position.step == step:
            return position
    raise NameUnknown(f"step of run {thread.run_id}", str(step), [str(each.step) for each in positions[-2:]])


async def _ran_before(thread: GraphThread, checkpoint: Any) -> tuple[str, ...]:
    """The nodes whose step made a checkpoint; for a fork's first one, those of the run it came from."""
    if _RAN in checkpoint.metadata:
        return tuple(checkpoint.metadata[_RAN])
    if checkpoint.metadata["step"] <= INPUTS_TAKEN or checkpoint.parent_config is None:
        return ()
    return (await thread.position(checkpoint.parent_config)).next


async def _choose_anew(
    thread: GraphThread,
    ran: Sequence[str],
    values: dict[str, Any],
    versions: dict[str, int],
    context: RunContext,
) -> None:
    """Put the triggers of what the last nodes' conditions choose now in place of what they chose then."""
    newest = max(versions.values())
    for node in ran:
        ways = await thread.chosen_ways(node, values, context)
        for target in ways.possible:
            values.pop(_TRIGGER.format(target), None)
        for target in ways.chosen:
            values[_TRIGGER.format(target)] = None
            versions[_TRIGGER.format(target)] = newest + 1
