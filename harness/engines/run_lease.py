"""Keeps the lease of a run while this process advances it, and stops advancing when it is lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from harness.engines.run_store import RunStore
from harness.exceptions import RunError, RunInterrupted
from ontology.exceptions import DatabaseUnavailable


@asynccontextmanager
async def renewed_lease(runs: RunStore, run_id: str, *, owner: str, lease_seconds: float) -> AsyncGenerator[None]:
    """Renew the lease a few times within its length; the body is cancelled when somebody else took the run.

    A database that cannot be reached for a moment is asked again, until the lease has run out: then the run may be
    somebody else's by now.

    Raises:
        LeaseHeld, RunInterrupted: the lease was lost.
    """
    body = asyncio.current_task()
    assert body is not None
    lost: list[RunError] = []

    async def renew() -> None:
        clock = asyncio.get_running_loop().time
        ends = clock() + lease_seconds
        while not lost:
            await asyncio.sleep(lease_seconds / 3)
            asked = clock()
            try:
                await runs.renew(run_id, owner=owner, lease_seconds=lease_seconds)
                ends = asked + lease_seconds
            except RunError as error:
                lost.append(error)
            except DatabaseUnavailable:
                if clock() >= ends:
                    lost.append(RunInterrupted(run_id))
        body.cancel()

    renewer = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            body.uncancel()
            raise lost[0] from None
        raise
    finally:
        renewer.cancel()
        await asyncio.gather(renewer, return_exceptions=True)
