"""A run that goes over to another version of its workflow: whether it may, by where its thread is."""

from harness.engines.graph_threads import GraphThread, meetings_begun
from harness.engines.workflow_changes import Progress, require_migratable
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
        require_migratable(before.run_id, old, new, Progress())
        return
    positions = await before.positions()
    then, channels = (await before.position()).next, after.channels()
    progress = Progress(
        finished=frozenset(name for position in positions for name in position.ran),
        beside=frozenset(positions[-1].next) - frozenset(then) if positions else frozenset(),
        then=then,
        now=(await after.position()).next,
        lost_meetings=tuple(
            sorted(each.rpartition(":")[2] for each in meetings_begun(checkpoint) if each not in channels)
        ),
    )
    require_migratable(before.run_id, old, new, progress)
