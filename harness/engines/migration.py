"""A run that goes over to another version of its workflow: whether it may, by where its thread is."""

from harness.engines.graph_threads import GraphThread, meetings_begun
from harness.engines.workflow_changes import require_migratable
from harness.workflow.loading import LoadedWorkflow


async def check_migration(old: LoadedWorkflow, new: LoadedWorkflow, before: GraphThread, after: GraphThread) -> None:
    """Let a run go over only where it stays the run it was.

    Args:
        before: its thread under the old version; `after` the same under the new.

    Raises:
        MigrationRefused: a node that finished is not there any more, or another one would run next.
    """
    checkpoint = await before.checkpoint()
    if checkpoint is None:
        require_migratable(before.run_id, old, new, finished=(), then=(), now=(), lost_meetings=())
        return
    positions = await before.positions()
    then, now = (await before.position()).next, (await after.position()).next
    finished = {name for position in positions for name in position.ran}
    if positions:
        finished |= set(positions[-1].next) - set(then)  # done beside one that is not
    channels = after.channels()
    lost = sorted(each.rpartition(":")[2] for each in meetings_begun(checkpoint) if each not in channels)
    require_migratable(before.run_id, old, new, finished=finished, then=then, now=now, lost_meetings=lost)
