"""Whether this process still advances a run: looked at in the transaction of each write.

A process that was stopped for longer than its lease, by a debugger or a sleeping machine, goes on where it was, before
it has heard that the run is somebody else's.
"""

from datetime import datetime

from harness.exceptions import LeaseHeld, RunInterrupted
from harness.storage.transactions import Row


def check_owner(run_id: str, owner: str, found: Row | None) -> None:
    """Compare with `owner, lease_until` of the run's row, the first two of `found`.

    Raises:
        LeaseHeld: somebody else advances it.
        RunInterrupted: nobody does, or it is gone.
    """
    if found is None or found[0] is None:
        raise RunInterrupted(run_id)
    if found[0] != owner:
        raise LeaseHeld(run_id, found[0], datetime.fromisoformat(found[1]))
