"""Keeps the lease of a run while this process advances it, and stops advancing when it is lost or somebody cancels."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from harness.engines.run_store import RunStore
from harness.exceptions import RunCancelled, RunError, RunInterrupted
from ontology.exceptions import DatabaseUnavailable

# How often the process looks whether somebody wants the run stopped; a lease is renewed three times within its length.
LOOK_SECONDS = 1.0


class HeldLease:
    """The lease of one run, while it is held.

    Args:
        seconds: its length.
    """

    def __init__(self, runs: RunStore, run_id: str, *, owner: str, seconds: float) -> None:
        self._runs = runs
        self._run_id = run_id
        self._owner = owner
        self._seconds = seconds
        self._clock = asyncio.get_running_loop().time
        self._counted_until = self._clock()
        self._ends = self._clock() + seconds
        self._look = asyncio.Event()

    def look(self) -> None:
        """Look at once whether somebody wants the run stopped."""
        self._look.set()

    def uncounted_seconds(self) -> float:
        """For how long the run was advanced since that was last added to it; counted from now on."""
        since, self._counted_until = self._counted_until, self._clock()
        return self._counted_until - since

    async def lost(self) -> RunError:
        """Renew it for as long as that can be done, and say why it no longer can."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._seconds / 3, LOOK_SECONDS)):
                    await self._look.wait()
            self._look.clear()
            reason = await self._renewed()
            if reason is not None:
                return reason

    async def _renewed(self) -> RunError | None:
        """Renew it once: why the run is to be stopped, or None.

        A database that cannot be reached for a moment is asked again, until the lease has run out: then the run may
        be somebody else's by now.
        """
        asked = self._clock()
        active = self.uncounted_seconds()
        try:
            run = await self._runs.renew(
                self._run_id, owner=self._owner, lease_seconds=self._seconds, active_seconds=active
            )
        except RunError as error:
            return error
        except DatabaseUnavailable:
            self._counted_until -= active
            return RunInterrupted(self._run_id) if self._clock() >= self._ends else None
        self._ends = asked + self._seconds
        if run.cancel_requested_at is not None:
            return RunCancelled(self._run_id, run.cancel_requested_by or "")
        return None


@asynccontextmanager
async def renewed_lease(runs: RunStore, run_id: str, *, owner: str, lease_seconds: float) -> AsyncGenerator[HeldLease]:
    """Renew the lease within its length; the body is cancelled when somebody else took the run or wants it stopped.

    Raises:
        LeaseHeld, RunInterrupted: the lease was lost.
        RunCancelled: somebody cancelled the run; the lease is still held.
    """
    body = asyncio.current_task()
    assert body is not None
    lost: list[RunError] = []
    lease = HeldLease(runs, run_id, owner=owner, seconds=lease_seconds)

    async def watch() -> None:
        lost.append(await lease.lost())
        body.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield lease
    except asyncio.CancelledError:
        if lost:
            body.uncancel()
            raise lost[0] from None
        raise
    finally:
        watcher.cancel()
        try:
            await asyncio.gather(watcher, return_exceptions=True)
        except asyncio.CancelledError:
            if not lost:
                raise
            body.uncancel()  # it came too late: the body was done
