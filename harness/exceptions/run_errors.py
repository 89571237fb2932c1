"""A run that cannot go on, or waits."""

from collections.abc import Sequence
from datetime import datetime

from harness.exceptions.root import HarnessError


class RunError(HarnessError):
    """A run that cannot go on."""


class NodeFailed(RunError):
    """A node failed for good; the run keeps all that came before and can be resumed."""

    def __init__(self, run_id: str, node: str, reason: str) -> None:
        super().__init__(run_id, node, reason)
        self.run_id = run_id
        self.node = node
        self.reason = reason

    def __str__(self) -> str:
        return f"run {self.run_id}: node {self.node!r} failed: {self.reason}\nresume it: `harness resume {self.run_id}`"


class NodeTimedOut(RunError):
    """A node took longer than its `timeout_seconds`."""

    retryable = True

    def __init__(self, run_id: str, node: str, timeout_seconds: float) -> None:
        super().__init__(run_id, node, timeout_seconds)
        self.run_id = run_id
        self.node = node
        self.timeout_seconds = timeout_seconds

    def __str__(self) -> str:
        return f"run {self.run_id}: node {self.node!r} took longer than its timeout_seconds={self.timeout_seconds:g}"


class WaitsForPerson(RunError):
    """The run is safe and waits for a person's answer."""

    def __init__(self, run_id: str, node: str, question: str) -> None:
        super().__init__(run_id, node, question)
        self.run_id = run_id
        self.node = node
        self.question = question

    def __str__(self) -> str:
        return f"run {self.run_id} waits at {self.node!r}: {self.question}\nanswer it: `harness approve {self.run_id}`"


class QuestionExpired(RunError):
    """Nobody answered in time."""

    def __init__(self, run_id: str, node: str, expired_at: datetime) -> None:
        super().__init__(run_id, node, expired_at)
        self.run_id = run_id
        self.node = node
        self.expired_at = expired_at

    def __str__(self) -> str:
        return (
            f"run {self.run_id}: nobody answered {self.node!r} until {self.expired_at.isoformat()}; "
            f"start another run from before it: `harness fork {self.run_id} --at STEP`, or give the node a `default`"
        )


class RunCancelled(RunError):
    """Somebody cancelled the run; it can be resumed."""

    def __init__(self, run_id: str, person: str) -> None:
        super().__init__(run_id, person)
        self.run_id = run_id
        self.person = person

    def __str__(self) -> str:
        return f"run {self.run_id} was cancelled by {self.person!r}; resume it: `harness resume {self.run_id}`"


class LeaseHeld(RunError):
    """Another process advances this run; its lease ends by itself if that process is gone."""

    retryable = True

    def __init__(self, run_id: str, owner: str, lease_until: datetime) -> None:
        super().__init__(run_id, owner, lease_until)
        self.run_id = run_id
        self.owner = owner
        self.lease_until = lease_until

    def __str__(self) -> str:
        return (
            f"run {self.run_id} is advanced by {self.owner}; if that process is gone, "
            f"`harness resume {self.run_id}` works after {self.lease_until.isoformat(timespec='seconds')}"
        )


class RunInterrupted(RunError):
    """The run was stopped from outside and can be resumed."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} was interrupted; resume it: `harness resume {self.run_id}`"


class LimitOfRunReached(RunError):
    """A run's own bound on steps, visits or time."""

    def __init__(self, run_id: str, limit: str, value: float) -> None:
        super().__init__(run_id, limit, value)
        self.run_id = run_id
        self.limit = limit
        self.value = value

    def __str__(self) -> str:
        return f"run {self.run_id} reached its limit {self.limit}={self.value:g}; raise it in the workflow's `limits`"


class MigrationRefused(RunError):
    """A run that cannot go on with another version of its workflow; it was left as it is."""

    def __init__(self, run_id: str, reasons: Sequence[str]) -> None:
        super().__init__(run_id, tuple(reasons))
        self.run_id = run_id
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return (
            f"run {self.run_id} cannot go on with the workflow as it is now: {'; '.join(self.reasons)}. "
            f"Go on with the one it began with: `harness resume {self.run_id}`"
        )
