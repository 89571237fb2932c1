"""What can go wrong in the harness.

HarnessError
├── SpecificationInvalid        workflow, bindings or harness.yaml: each problem by file, line, column and key
├── NameUnknown                 a run, model, role, workflow ... that does not exist; the nearest one that does
├── ConfigurationInvalid        a setting that cannot be used
├── RoleUnbound                 no binding fills a role
├── MoneyError
│   ├── BudgetExceeded          a limit would be passed; nothing was sent
│   ├── PriceUnknown            a model without a price; nothing was sent
│   ├── HoldClosed              a hold that was already settled
│   └── LimitInvalid            a limit that cannot be set
├── ProviderError               what an endpoint answered, or that it did not
│   ├── RateLimited             429: wait and try again
│   ├── QuotaSpent              429 that no waiting mends
│   ├── Overloaded              5xx, 529
│   ├── Unreachable             no connection, or none any more
│   ├── Broken                  an answer that cannot be read, or ended too early
│   ├── ContextTooLong          the one 400 a bigger model can mend
│   ├── Refused                 the provider declined to answer
│   ├── KeyRefused              401, 403, or no key where one is needed
│   └── RequestRefused          any other 4xx: our request was wrong
├── AnswerInvalid               an answer outside the schema it was asked for
├── StateRefused                a value that checkpoints do not carry
└── RunError
    ├── NodeFailed              a node of the graph failed for good
    ├── WaitsForPerson          the run is safe and needs somebody's answer
    ├── LeaseHeld               another process advances this run
    ├── RunInterrupted          stopped from outside; can be resumed
    └── LimitOfRunReached       steps, visits or time of one run
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal


class HarnessError(Exception):
    """Root of the package's errors; `retryable` says whether trying the same again can help."""

    retryable = False


class SpecificationInvalid(HarnessError):
    """A file that cannot be used; each problem is one line `file:line:column: key: what is wrong, what mends it`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class NameUnknown(HarnessError):
    """A name that nothing here carries.

    Args:
        kind: what was looked for ("model", "run", "workflow", "tool", ...).
        nearest: names that exist and look alike, best first.
    """

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(kind, name, tuple(nearest))
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(map(repr, self.nearest))}?" if self.nearest else ""
        return f"no {self.kind} {self.name!r}{hint}"


class ConfigurationInvalid(HarnessError):
    """A setting that cannot be used: where it came from, its value, what would mend it."""

    def __init__(self, setting: str, value: str, origin: str, remedy: str) -> None:
        super().__init__(setting, value, origin, remedy)
        self.setting = setting
        self.value = value
        self.origin = origin
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.setting}={self.value!r} (from {self.origin}): {self.remedy}"


class RoleUnbound(HarnessError):
    """No binding fills this role."""

    def __init__(self, role: str, workflow: str | None, node: str | None) -> None:
        super().__init__(role, workflow, node)
        self.role = role
        self.workflow = workflow
        self.node = node

    def __str__(self) -> str:
        where = f" (workflow {self.workflow!r}, node {self.node!r})" if self.workflow else ""
        return f"no binding fills the role {self.role!r}{where}: `harness bind {self.role} MODEL`"


class BindingsChanged(HarnessError):
    """Another change of the bindings came first; nothing was written."""

    retryable = True

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(expected, current)
        self.expected = expected
        self.current = current

    def __str__(self) -> str:
        return (
            f"bindings are at version {self.current}, not {self.expected}: look at them again, then repeat the change"
        )


class MoneyError(HarnessError):
    """Something about money that stops a call before it is sent."""


class BudgetExceeded(MoneyError):
    """A limit would be passed by this call; nothing was sent.

    Args:
        scope: whose limit, `kind:id`, e.g. "person:ada".
        unit: "usd", "tokens" or "calls"; the four amounts are in it.
        held: reserved by calls in flight, so that waiting may help when it is above zero.
        resets_at: when the period ends; None for a limit without a period.
        period: "day", "week", "month" or "none".
    """

    def __init__(
        self,
        scope: str,
        unit: str,
        limit: Decimal,
        spent: Decimal,
        held: Decimal,
        requested: Decimal,
        resets_at: datetime | None,
        period: str = "week",
    ) -> None:
        super().__init__(scope, unit, limit, spent, held, requested, resets_at, period)
        self.scope = scope
        self.unit = unit
        self.limit = limit
        self.spent = spent
        self.held = held
        self.requested = requested
        self.resets_at = resets_at
        self.period = period

    @property
    def busy(self) -> bool:
        """Whether the call may fit once the calls in flight are settled."""
        return self.spent + self.requested <= self.limit

    @property
    def retryable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Waiting can help where only calls in flight stand in the way."""
        return self.busy

    def __str__(self) -> str:
        until = f"resets {self.resets_at.isoformat()}" if self.resets_at else "it does not reset"
        return (
            f"budget of {self.scope}: limit {self.limit} {self.unit}, spent {self.spent}, held {self.held}, "
            f"asked {self.requested}; {until}. "
            f"Raise it: `harness budget set {self.scope} AMOUNT --unit {self.unit} --per {self.period}`"
        )


class PriceUnknown(MoneyError):
    """A model without a known price; nothing was sent, because unknown is never zero."""

    def __init__(self, model: str, overrides_file: str) -> None:
        super().__init__(model, overrides_file)
        self.model = model
        self.overrides_file = overrides_file

    def __str__(self) -> str:
        return (
            f"no price is known for {self.model!r}, so it was not called. If you know it, add to {self.overrides_file}:\n"
            f"{json.dumps(self.model)}: {{input_usd_per_million: 0.00, output_usd_per_million: 0.00, "
            "source: https://..., checked: YYYY-MM-DD}"
        )


class HoldClosed(MoneyError):
    """A hold that was already settled; one send is charged once."""

    def __init__(self, send_id: str, status: str) -> None:
        super().__init__(send_id, status)
        self.send_id = send_id
        self.status = status

    def __str__(self) -> str:
        return f"hold {self.send_id!r} is already {self.status}; a send is charged once"


class LimitInvalid(MoneyError):
    """A limit that cannot be set."""

    def __init__(self, what: str, value: str, remedy: str) -> None:
        super().__init__(what, value, remedy)
        self.what = what
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.value!r}: {self.remedy}"


class ProviderError(HarnessError):
    """What an endpoint answered instead of a reply, or that it did not answer.

    Args:
        endpoint: the catalogue's name of the endpoint.
        status: HTTP status; None where no answer came.
        retry_after_seconds: what the server asked for.
        maybe_billed: the provider may have charged for it, so its hold is settled as an estimate, not freed.
    """

    maybe_billed = False

    def __init__(
        self,
        endpoint: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(endpoint, message)
        self.endpoint = endpoint
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[object, ...]:
        return (self.__class__, self.args, self.__dict__)

    def __str__(self) -> str:
        status = f" (HTTP {self.status})" if self.status else ""
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"endpoint {self.endpoint!r}{status}: {self.message}{request}"


class RateLimited(ProviderError):
    """Too many requests or tokens for now."""

    retryable = True


class QuotaSpent(ProviderError):
    """The account has no money or quota left; waiting does not mend it."""


class Overloaded(ProviderError):
    """The provider failed on its side."""

    retryable = True


class Unreachable(ProviderError):
    """No connection could be made; nothing was billed."""

    retryable = True


class Broken(ProviderError):
    """An answer that cannot be read, or that ended before its end; it may have been billed."""

    retryable = True
    maybe_billed = True


class ContextTooLong(ProviderError):
    """The prompt does not fit the model's context."""


class Refused(ProviderError):
    """The provider's policy declined to answer."""


class KeyRefused(ProviderError):
    """The key is missing or not accepted."""


class RequestRefused(ProviderError):
    """The provider does not accept the request as it is."""


class AnswerInvalid(HarnessError):
    """An answer that is outside the schema it was asked for."""

    def __init__(self, role: str, model: str, reason: str) -> None:
        super().__init__(role, model, reason)
        self.role = role
        self.model = model
        self.reason = reason

    def __str__(self) -> str:
        return f"role {self.role!r}: {self.model!r} answered outside its schema: {self.reason}"


class StateRefused(HarnessError):
    """A value that is not JSON or a registered versioned model; checkpoints carry nothing else."""

    def __init__(self, where: str, type_name: str) -> None:
        super().__init__(where, type_name)
        self.where = where
        self.type_name = type_name

    def __str__(self) -> str:
        return (
            f"{self.where}: a value of type {self.type_name!r} cannot be kept in a checkpoint; "
            "use text, numbers, booleans, lists, mappings with text keys, or a pydantic model turned into them"
        )


class FindingRefused(HarnessError):
    """A finding that the memory or the ontology does not take; nothing was written."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"finding {self.what!r} was not remembered: {self.reason}"


class CallableRefused(HarnessError):
    """A registered function cannot be called with what the workflow gives it."""

    def __init__(self, name: str, argument: str, reason: str) -> None:
        super().__init__(name, argument, reason)
        self.name = name
        self.argument = argument
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name!r}, argument {self.argument!r}: {self.reason}"


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
        return f"run {self.run_id} waits at {self.node!r}: {self.question}"


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
