"""A node over a list: so many items at a time, results in the items' order whatever finished first."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from harness.exceptions import WaitsForPerson

Item = TypeVar("Item")
Result = TypeVar("Result")


async def over_items(
    items: Sequence[Item], work: Callable[[int, Item], Awaitable[Result]], *, max_concurrency: int
) -> list[Result]:
    """Run `work(place, item)` for each item, at most `max_concurrency` at a time.

    After a failure no further item begins; those under way are waited for, because what they cost is paid, and
    their answers are journalled for the next try. Then the failure of the earliest item is raised.

    An item that waits for a person keeps no other from beginning, so that all are asked at once.
    """
    waiting = iter(enumerate(items))
    results: dict[int, Result] = {}
    failures: dict[int, Exception] = {}

    async def worker() -> None:
        for place, item in waiting:
            if any(not isinstance(failure, WaitsForPerson) for failure in failures.values()):
                return
            try:
                results[place] = await work(place, item)
            except Exception as error:  # noqa: BLE001 - raised below, once the others are done
                failures[place] = error

    await asyncio.gather(*(worker() for _ in range(min(max_concurrency, len(items)))))
    if failures:
        # What failed is told before what waits: an answer would not mend it.
        raise failures[min(failures, key=lambda place: (isinstance(failures[place], WaitsForPerson), place))]
    return [results[place] for place in range(len(items))]
