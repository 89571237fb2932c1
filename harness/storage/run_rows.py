"""Runs as rows of `runs.db`: how one is read, and how a run and the runs that are its steps are found."""

from datetime import datetime

from harness.engines.run_store import Run, RunStatus
from harness.storage.checkpoint_serializer import CheckpointSerializer
from harness.storage.transactions import Row

PLAIN_JSON = CheckpointSerializer()  # one format for all payloads; of no type but plain JSON here

SELECT_RUNS = """\
SELECT runs.run_id, runs.organisation, runs.person, runs.workflow, runs.spec_digest, runs.project, runs.task_id,
  runs.status, runs.owner, runs.lease_until, runs.created_at, runs.started_at, runs.finished_at,
  runs.binding_version_at_start, runs.parent_run_id, runs.parent_path, runs.forked_from, runs.forked_step,
  runs.cancel_requested_at, runs.cancel_requested_by, runs.active_ms, payloads.content
FROM runs LEFT JOIN payloads ON payloads.payload_id = runs.error_payload_id
WHERE runs.organisation = :organisation"""

# A run and all below it; `UNION` and not `UNION ALL`, so that rows that name each other end too.
TREE_OF_RUN = """\
WITH RECURSIVE tree(run_id) AS (
  SELECT run_id FROM runs WHERE organisation = :organisation AND run_id = :run_id
  UNION SELECT runs.run_id FROM runs JOIN tree ON runs.parent_run_id = tree.run_id
  WHERE runs.organisation = :organisation)"""

# A run and all above it.
PATH_TO_ROOT = """\
WITH RECURSIVE path(run_id, parent_run_id) AS (
  SELECT run_id, parent_run_id FROM runs WHERE organisation = :organisation AND run_id = :run_id
  UNION SELECT runs.run_id, runs.parent_run_id FROM runs JOIN path ON runs.run_id = path.parent_run_id
  WHERE runs.organisation = :organisation)"""


def run_of(row: Row) -> Run:
    """The run of a row of `SELECT_RUNS`."""
    return Run(
        run_id=row[0],
        organisation=row[1],
        person=row[2],
        workflow=row[3],
        spec_digest=row[4],
        project=row[5],
        task_id=row[6],
        status=RunStatus(row[7]),
        owner=row[8],
        lease_until=moment_of(row[9]),
        created_at=datetime.fromisoformat(row[10]),
        started_at=moment_of(row[11]),
        finished_at=moment_of(row[12]),
        binding_version_at_start=row[13],
        parent_run_id=row[14],
        parent_path=row[15],
        forked_from=row[16],
        forked_step=row[17],
        cancel_requested_at=moment_of(row[18]),
        cancel_requested_by=row[19],
        active_seconds=row[20] / 1000,
        error=str(PLAIN_JSON.loads(row[21])) if row[21] is not None else None,
    )


def text_of(moment: datetime) -> str:
    """A time as it stands in a column: texts of times sort as the times do."""
    return moment.isoformat(timespec="microseconds")


def moment_of(text: str | None) -> datetime | None:
    """The time of a column."""
    return datetime.fromisoformat(text) if text is not None else None
