"""A node over a list: so many items at a time, results in the items' order whatever finished first."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def over_items(
    items: Sequence[Item], work: Callable[[int, Item], Awaitable[Result]], *, max_concurrency: int
) -> list[Result]:
    """Run `work(place, item)` for each item, at most `max_concurrency` at a time.

    After a failure no further item begins; those under way are waited for, because what they cost is paid, and
    their answers are journalled for the next try. Then the failure of the earliest item is raised.
    """
    waiting = iter(enumerate(items))
    results: dict[int, Result] = {}
    failures: dict[int, Exception] = {}

    async def worker() -> None:
        for place, item in waiting:
            if failures:
                return
            try:
                results[place] = await work(place, item)
            except Exception as error:  # noqa: BLE001 - raised below, once the others are done
                failures[place] = error

    await asyncio.gather(*(worker() for _ in range(min(max_concurrency, len(items)))))
    if failures:
        raise failures[min(failures)]
    return [results[place] for place in range(len(items))]
