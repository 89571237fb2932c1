"""The rate limiter on SQLite and PostgreSQL: lanes are rows, and a reservation is one transaction of the money writer.

Writers of money take turns in all processes (SQLite lets one write, PostgreSQL's are given turns), so that reading
lanes and writing them back is one step for everybody. Where no limit is known nothing is asked of the database but
once a process, whether another has learned one. Processes' clocks must agree as far as a fraction of a second matters.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from harness.routing.rate_limiter import Caller, Slot
from harness.routing.rate_limits import (
    HORIZON_US,
    Lane,
    LimitedUnit,
    ObservedLimits,
    departs_at_us,
    microseconds_of,
)
from harness.storage.transactions import Operation, Row, Statement, TransactionWriter

_SELECT = (
    "SELECT model, unit, per_minute, due_us, spans FROM rate_lanes "
    "WHERE organisation = :organisation AND endpoint = :endpoint AND address = :address AND model IN ('', :model)"
)
_COLUMNS = "organisation, endpoint, address, model, unit, per_minute, due_us, spans"
_TAKEN = "due_us = excluded.due_us, spans = excluded.spans"
_US = 1_000_000
_RUN_OFF = timedelta(minutes=1)

_Key = tuple[str, str, str, str]


class SqlRateLimiter:
    """Implements `harness.routing.rate_limiter.RateLimiter`.

    Args:
        writer: one that takes turns.
    """

    def __init__(self, writer: TransactionWriter) -> None:
        self._writer = writer
        # What this process knows to be limited beyond what is declared; empty for what is known not to be.
        self._learned: dict[_Key, tuple[Lane, ...]] = {}

    async def reserve(self, caller: Caller, tokens: int, *, at: datetime) -> Slot:
        """See the port."""
        learned = await self._learned_of(caller)
        lanes = (*_declared(caller), *learned)
        if not lanes:
            return Slot(0.0, taken=True, tokens=tokens, at=at)
        slot = await self._writer.run(lambda: _reserve(caller, lanes, tokens, at))
        only_closed = bool(learned) and all(lane.per_minute is None for lane in learned)
        if slot.taken and only_closed and self._learned[caller.key] is learned:
            self._learned[caller.key] = ()  # that while is over
        return slot

    async def give_back(self, caller: Caller, slot: Slot, *, used_tokens: int, at: datetime) -> None:
        """See the port."""
        if slot.token_lanes and used_tokens != slot.tokens and at - slot.at < _RUN_OFF:
            await self._writer.run(lambda: _give_back(caller, slot, used_tokens, at))

    async def observe(
        self, caller: Caller, observed: ObservedLimits, *, closed_seconds: float | None, at: datetime
    ) -> None:
        """See the port."""
        known = {lane.unit: lane for lane in await self._learned_of(caller)}
        now_us = microseconds_of(at)
        changed: list[Lane] = []
        for unit in LimitedUnit:
            before = known.get(unit) or Lane(unit, caller.model)
            lane = _observed(replace(before, due_us=0), observed, now_us)
            if closed_seconds is not None and unit is LimitedUnit.REQUESTS:
                lane = lane.closed_until(now_us + round(closed_seconds * _US))
            if lane.per_minute != before.per_minute or lane.due_us > now_us:
                changed.append(lane)
        if not changed:
            return
        await self._writer.run(lambda: _learn(caller, changed))
        self._learned[caller.key] = tuple((known | {lane.unit: lane for lane in changed}).values())

    async def _learned_of(self, caller: Caller) -> tuple[Lane, ...]:
        key = caller.key
        if key not in self._learned:
            rows = await self._writer.read(lambda: _read(caller))
            lanes = [_lane(row) for row in rows]
            self._learned.setdefault(
                key, tuple(lane for lane in lanes if lane.model == caller.model and lane.per_minute is not None)
            )
        return self._learned[key]


def _declared(caller: Caller) -> list[Lane]:
    declared = caller.declared
    limits = {
        LimitedUnit.REQUESTS: declared.requests_per_minute,
        LimitedUnit.TOKENS: declared.tokens_per_minute,
    }
    return [Lane(unit, per_minute=limit) for unit, limit in limits.items() if limit is not None]


def _observed(lane: Lane, observed: ObservedLimits, now_us: int) -> Lane:
    limit, left = observed.of(lane.unit)
    lane = replace(lane, per_minute=limit or lane.per_minute)
    return lane if left is None or lane.per_minute is None else lane.left(left, now_us)


def _amount(lane: Lane, tokens: int) -> int:
    return tokens if lane.unit is LimitedUnit.TOKENS else 1


def _reserve(caller: Caller, known: Sequence[Lane], tokens: int, at: datetime) -> Operation[Slot]:
    """A place through all lanes, if there is one near enough, else word when to ask again."""
    stored = yield from _stored(caller)
    now_us = microseconds_of(at)
    before = [_as_stored(lane, stored) for lane in known]
    lanes = [lane.believable(now_us) for lane in before]
    departs_us = departs_at_us(lanes, now_us, tokens)
    wait = (departs_us - now_us) / _US
    if departs_us - now_us > HORIZON_US:
        mended = [lane for lane, was in zip(lanes, before, strict=True) if lane.due_us != was.due_us]
        if mended:  # once: what is not written would be as far away the next time
            yield _upsert(caller, mended, _TAKEN)
        return Slot(wait, taken=False, tokens=tokens, at=at)
    taken = [lane.taken(_amount(lane, tokens), departs_us) for lane in lanes]
    yield _upsert(caller, taken, _TAKEN)
    return Slot(
        wait, taken=True, tokens=tokens, at=at, token_lanes=tuple(x for x in taken if x.unit is LimitedUnit.TOKENS)
    )


def _as_stored(lane: Lane, stored: Mapping[tuple[str, LimitedUnit], Lane]) -> Lane:
    """A lane as all processes have left it; a limit that another process has learned since goes before ours."""
    found = stored.get((lane.model, lane.unit))
    if found is None:
        return lane
    learned = found.per_minute if lane.model and found.per_minute is not None else lane.per_minute
    return replace(lane, due_us=found.due_us, per_minute=learned, spans=found.spans)


def _give_back(caller: Caller, slot: Slot, used_tokens: int, at: datetime) -> Operation[None]:
    stored = yield from _stored(caller)
    departed_us = microseconds_of(slot.at) + round(slot.wait_seconds * _US)
    left = [
        # By the limit that was reserved by, which may have become another since.
        replace(stored[lane.model, lane.unit], per_minute=lane.per_minute).given_back(
            slot.tokens, used_tokens, departed_us, microseconds_of(at)
        )
        for lane in slot.token_lanes
        if (lane.model, lane.unit) in stored
    ]
    if left:
        yield _upsert(caller, left, _TAKEN)


def _learn(caller: Caller, lanes: Sequence[Lane]) -> Operation[None]:
    """Write what an answer said; a lane is never opened by it."""
    yield _upsert(
        caller,
        lanes,
        "per_minute = COALESCE(excluded.per_minute, rate_lanes.per_minute), "
        "due_us = CASE WHEN excluded.due_us > rate_lanes.due_us THEN excluded.due_us ELSE rate_lanes.due_us END",
    )


def _read(caller: Caller) -> Operation[Sequence[Row]]:
    rows = yield Statement(_SELECT, {**_place(caller), "model": caller.model})
    return rows


def _stored(caller: Caller) -> Operation[dict[tuple[str, LimitedUnit], Lane]]:
    rows = yield from _read(caller)
    return {(lane.model, lane.unit): lane for lane in map(_lane, rows)}


def _place(caller: Caller) -> dict[str, object]:
    return {"organisation": caller.organisation, "endpoint": caller.endpoint, "address": caller.address}


def _lane(row: Row) -> Lane:
    model, unit, per_minute, due_us, spans = row
    return Lane(
        LimitedUnit(unit), model, per_minute, due_us, tuple((span, tokens) for span, tokens in json.loads(spans))
    )


def _upsert(caller: Caller, lanes: Sequence[Lane], update: str) -> Statement:
    parameters = _place(caller)
    values: list[str] = []
    for place, lane in enumerate(lanes):
        named = ", ".join(f":{column}{place}" for column in ("model", "unit", "per_minute", "due_us", "spans"))
        values.append(f"(:organisation, :endpoint, :address, {named})")
        parameters |= {
            f"model{place}": lane.model,
            f"unit{place}": lane.unit.value,
            # What is declared is the catalogue's to say, at each call.
            f"per_minute{place}": lane.per_minute if lane.model else None,
            f"due_us{place}": lane.due_us,
            f"spans{place}": json.dumps(lane.spans, separators=(",", ":")),
        }
    return Statement(
        f"INSERT INTO rate_lanes ({_COLUMNS}) VALUES {', '.join(values)} "
        f"ON CONFLICT (organisation, endpoint, address, model, unit) DO UPDATE SET {update}",
        parameters,
    )
