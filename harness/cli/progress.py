"""What is seen of a run while it goes on.

For people, on stderr: a moving line on a terminal, a line for what they should know of, and models' words as they come
where those are asked for. For programs each event is a line of JSON on stdout.
"""

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

from harness.cli.output import Output, counted, plain, time_text, usd_text
from harness.cli.readable_values import one_line
from harness.workflow.events import (
    CallAnswered,
    ChildRunStarted,
    EventsDropped,
    FallbackTaken,
    ItemFinished,
    ItemSkipped,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    PlanMade,
    PlanStepFinished,
    QuestionAsked,
    ResultReused,
    StreamedEvent,
    ToolAnswered,
    ToolCalled,
    Words,
)


class RunProgress:
    """Follows one run; use it as a context manager and give its `hear` to the engine.

    Args:
        moving: whether there is a terminal to show a moving line on; words that come take its place.
        quiet: whether nothing is said but models' words, where they are asked for.
        stream: whether models' words are shown.
    """

    def __init__(
        self,
        output: Output,
        *,
        moving: bool,
        quiet: bool = False,
        stream: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output = output
        self._monotonic = monotonic
        self._began = monotonic()
        self._items: dict[str, tuple[int, int | None]] = {}
        self._under_way: dict[str, str] = {}
        self._otherwise = "starting"
        self._calls = 0
        self._tokens = 0
        self._usd = Decimal(0)
        self._quiet = quiet
        self._speaking: str | None = None
        self._spinner = Spinner("dots")
        self._live = _live(output.messages, self) if moving and not stream and not output.as_json else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_words()
        if self._live:
            self._live.stop()

    def hear(self, event: StreamedEvent) -> None:
        """Take in one event; called from the engine."""
        self._count(event)
        if self._output.as_json:
            self._output.event(event_object(event))
        elif isinstance(event, Words):
            self._speak(event)
        elif not self._quiet and (said := told(event)):
            self._end_words()
            self._output.say(one_line(said))

    def _speak(self, words: Words) -> None:
        """Words of one node in a row; a line says whose they are where another one spoke before."""
        if self._speaking != words.node:
            self._end_words()
            self._output.say(f"{words.node}:", style="bold")
            self._speaking = words.node
        self._output.words(words.text)

    def _end_words(self) -> None:
        if self._speaking is not None:
            self._output.say("")
            self._speaking = None

    def line(self) -> str:
        """Nodes under way with their items, and calls, tokens and dollars of this process so far."""
        nodes = ", ".join(self._node_words(node, done, items) for node, (done, items) in self._items.items())
        seconds = self._monotonic() - self._began
        spent = f"{counted(self._calls, 'call')}, {self._tokens:,} tokens, {usd_text(self._usd)}"
        return f"{nodes or self._otherwise}  {spent}  {seconds:.0f} s"

    def _node_words(self, node: str, done: int, items: int | None) -> str:
        counted_items = "" if items is None else f" {done}/{items}"
        return f"{node}{counted_items}{self._under_way.get(node, '')}"

    def _count(self, event: StreamedEvent) -> None:
        match event:
            case NodeStarted(node, items):
                self._items[node] = (0, items)
            case ItemFinished(node, done, items):
                self._items[node] = (done, items)
            case NodeFinished(node):
                self._items.pop(node, None)
                self._under_way.pop(node, None)
                self._otherwise = "between nodes"
            case ToolCalled():
                self._under_way[event.node] = f" ({event.tool})"
            case ToolAnswered():
                self._under_way.pop(event.node, None)
            case CallAnswered() if not event.replayed:
                self._calls += 1
                self._tokens += (event.input_tokens or 0) + (event.output_tokens or 0)
                self._usd += event.cost_usd
            case _:
                pass

    def __rich__(self) -> RenderableType:
        self._spinner.update(text=plain(self.line()))
        return self._spinner


def told(event: StreamedEvent) -> str | None:  # noqa: PLR0911 - one a kind of event
    """What a person is told of an event in a line of its own; None for what the moving line alone shows."""
    match event:
        case NodeRetried():
            again = f"the next one in {event.wait_seconds:.1f} s"
            return f"{event.node}: try {event.attempt} failed, {again}: {event.reason}"
        case ItemSkipped():
            return f"{event.node}: item {event.item} failed for good and is skipped: {event.message}"
        case FallbackTaken():
            return f"{event.node}: failed for good, its fallback answers: {event.message}"
        case ResultReused():
            return f"{event.node}: the result is that of run {event.run_id}"
        case QuestionAsked():
            until = f", until {time_text(event.expires_at)}" if event.expires_at else ""
            return f"{event.node}: a person is wanted{until}: question {event.question_id}"
        case EventsDropped():
            return f"{counted(event.count, 'event')} came too fast to be told"
        case _:
            return _told_of_parts(event)


def _told_of_parts(event: StreamedEvent) -> str | None:
    """The same of what a node does within: its plans, tools and runs of other workflows."""
    match event:
        case PlanMade():
            steps = "; ".join(map(_step_words, event.steps))
            return f"{event.node}: plan {event.round}: {steps}"
        case PlanStepFinished(error=str(error)):
            return f"{event.node}: step {event.step} failed: {error}"
        case ToolAnswered(error=str(error)):
            return f"{event.node}: {error}"
        case ChildRunStarted():
            return f"{event.node}: {event.workflow} runs as run {event.run_id}"
        case _:
            return None


def _step_words(step: tuple[str, str, tuple[str, ...]]) -> str:
    name, worker, after = step
    return f"{name} by {worker}" + (f" after {', '.join(after)}" if after else "")


def event_object(event: StreamedEvent) -> dict[str, object]:
    """An event for programs; `event` is its kind, such as `call_answered`."""
    kind = type(event).__name__
    return {"event": re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower(), **asdict(event)}


def _live(console: Console, progress: RunProgress) -> Live:
    return Live(get_renderable=progress.__rich__, console=console, refresh_per_second=8, transient=True)
