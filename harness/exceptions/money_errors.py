"""Money: what stops a call before it is sent."""

import json
from datetime import datetime
from decimal import Decimal

from harness.exceptions.root import HarnessError


class MoneyError(HarnessError):
    """Something about money that stops a call before it is sent.

    Args:
        after: with what another target failed before, where this one was only asked in its place.
    """

    after: str = ""

    def _told(self, words: str) -> str:
        return f"{words}\nIt was to answer in place of another: {self.after}" if self.after else words


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
        return self._told(
            f"budget of {self.scope}: limit {self.limit} {self.unit}, spent {self.spent}, held {self.held}, "
            f"asked {self.requested}; {until}. "
            f"Raise it: `harness budget set {self.scope} AMOUNT --unit {self.unit} --per {self.period}`"
        )


class PriceUnknown(MoneyError):
    """A model without a known price; nothing was sent, because unknown is never zero.

    Args:
        endpoint: where it would have been called; None where that does not matter.
        entry: what its price is called in the file; None is the model's own name.
    """

    def __init__(self, model: str, overrides_file: str, endpoint: str | None = None, entry: str | None = None) -> None:
        super().__init__(model, overrides_file, endpoint, entry)
        self.model = model
        self.overrides_file = overrides_file
        self.endpoint = endpoint
        self.entry = entry or model

    def __str__(self) -> str:
        where = f" at the endpoint {self.endpoint!r}" if self.endpoint else ""
        return self._told(
            f"no price is known for {self.model!r}{where}, so it was not called. "
            f"If you know it, add to {self.overrides_file}:\n"
            f"{json.dumps(self.entry)}: {{input_usd_per_million: 0.00, output_usd_per_million: 0.00, "
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
