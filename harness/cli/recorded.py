"""What was recorded here before, looked at without making a database where there is none."""

from harness.assembly import Harness
from harness.engines.run_store import Run
from harness.exceptions import NameUnknown


def has_state(harness: Harness) -> bool:
    """Whether something was recorded here before."""
    return harness.settings.database_url is not None or harness.settings.home.exists()


async def recorded_run(harness: Harness, typed: str) -> Run:
    """A run by the beginning of its id.

    Raises:
        NameUnknown: there is none.
    """
    if not has_state(harness):
        raise NameUnknown("run", typed)
    return await harness.runs.run(typed)
