"""What is seen of a run while it goes on: one moving line on a terminal, events as JSON Lines, or nothing."""

import re
import time
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner

from harness.cli.output import Output, counted, plain, usd_text
from harness.workflow.events import (
    CallAnswered,
    ItemFinished,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    RunEvent,
)


class RunProgress:
    """Follows one run; use it as a context manager and give its `hear` to the engine.

    Args:
        moving: whether there is a terminal to show a moving line on.
    """

    def __init__(self, output: Output, *, moving: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._monotonic = monotonic
        self._began = monotonic()
        self._items: dict[str, tuple[int, int | None]] = {}
        self._otherwise = "starting"
        self._calls = 0
        self._tokens = 0
        self._usd = Decimal(0)
        self._spinner = Spinner("dots")
        self._live = _live(output.messages, self) if moving and not output.as_json else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def hear(self, event: RunEvent) -> None:
        """Take in one event; called from the engine."""
        self._count(event)
        if self._output.as_json:
            self._output.event(event_object(event))
        elif isinstance(event, NodeRetried):
            self._output.say(
                f"{event.node}: try {event.attempt} failed, the next one in {event.wait_seconds:.1f} s: {event.reason}"
            )

    def line(self) -> str:
        """Nodes under way with their items, and calls, tokens and dollars of this process so far."""
        nodes = ", ".join(
            node if items is None else f"{node} {done}/{items}" for node, (done, items) in self._items.items()
        )
        seconds = self._monotonic() - self._began
        spent = f"{counted(self._calls, 'call')}, {self._tokens:,} tokens, {usd_text(self._usd)}"
        return f"{nodes or self._otherwise}  {spent}  {seconds:.0f} s"

    def _count(self, event: RunEvent) -> None:
        match event:
            case NodeStarted(node, items):
                self._items[node] = (0, items)
            case ItemFinished(node, done, items):
                self._items[node] = (done, items)
            case NodeFinished(node):
                self._items.pop(node, None)
                self._otherwise = "between nodes"
            case CallAnswered() if not event.replayed:
                self._calls += 1
                self._tokens += (event.input_tokens or 0) + (event.output_tokens or 0)
                self._usd += event.cost_usd
            case _:
                pass

    def __rich__(self) -> RenderableType:
        self._spinner.update(text=plain(self.line()))
        return self._spinner


def event_object(event: RunEvent) -> dict[str, object]:
    """An event for programs; `event` is its kind, such as `call_answered`."""
    kind = type(event).__name__
    return {"event": re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower(), **asdict(event)}


def _live(console: Console, progress: RunProgress) -> Live:
    return Live(get_renderable=progress.__rich__, console=console, refresh_per_second=8, transient=True)
