"""How far a recorded run came: its state and the nodes that are done, from the newest checkpoint; and its journal."""

from dataclasses import dataclass, field
from typing import Any, cast

from harness.assembly import Harness, utc_now
from harness.engines.run_store import Run
from harness.json_values import JsonObject
from harness.storage.sql_step_journal import SqlStepJournal
from harness.workflow.nodes.step_journal import RecordedStep
from harness.workflow.state_values import VISITS


@dataclass(frozen=True, slots=True)
class Reached:
    """What the newest checkpoint holds; empty before the first.

    Args:
        finished: the nodes that have run to their end.
        visits: how often each node of a workflow with loops was come to; empty without loops.
    """

    state: JsonObject = field(default_factory=dict[str, Any])
    finished: frozenset[str] = frozenset()
    visits: dict[str, int] = field(default_factory=dict[str, int])


async def reached(harness: Harness, run: Run) -> Reached:
    """How far the run came; it may be going on meanwhile."""
    # Imports langgraph, which the list of runs need not pay for.
    from harness.storage.checkpoint_saver import SqlCheckpointSaver

    saver = SqlCheckpointSaver(
        harness.databases.runs_writer, organisation=harness.organisation, person=run.person, clock=utc_now
    )
    found = await saver.aget_tuple({"configurable": {"thread_id": run.run_id, "checkpoint_ns": ""}})
    if found is None:
        return Reached()
    values = cast("JsonObject", found.checkpoint["channel_values"])
    # What is not a key of the workflow is the engine's own: no key begins so.
    own = {key: value for key, value in values.items() if not key.startswith(("_", "branch:", "join:"))}
    nodes = frozenset(node for node in found.checkpoint["versions_seen"] if not node.startswith("__"))
    return Reached(own, nodes, cast("dict[str, int]", values.get(VISITS) or {}))


async def recorded_steps(harness: Harness, run: Run) -> tuple[RecordedStep, ...]:
    """What the run's nodes recorded of their parts, in the order they began; the newest where it is begun again."""
    journal = SqlStepJournal(
        harness.databases.runs_writer,
        organisation=harness.organisation,
        run_id=run.run_id,
        person=run.person,
        owner="",  # it is read only
        clock=utc_now,
        row_lock="",
    )
    return tuple(await journal.steps())
