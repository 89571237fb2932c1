"""What a command prints: data on stdout, everything else on stderr, as text for people or JSON for programs.

Words of models, tools and documents may hold characters that move the cursor or hide text, so everything that is
printed for people is made visible here. What is printed is the commands' own.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.workflow.visible_text import visible_text

_UNBOUNDED_WIDTH = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and what of a row stands in it."""

    heading: str
    shown: Callable[[Any], str]
    right: bool = False


class Output:
    """The two streams of a command.

    Colours and widths follow the terminal; without one, or with NO_COLOR, there are none.

    Args:
        as_json: whether programs read stdout.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._data = _console(stderr=False)
        self.messages = _console(stderr=True)

    @property
    def width(self) -> int:
        """How many characters a line of data has room for; very many where there is no terminal."""
        return self._data.width

    def record(self, value: object, shown: str) -> None:
        """One thing: one JSON object on one line, or the text for people."""
        if self.as_json:
            self.event(value)
        else:
            self.text(shown)

    def rows(
        self, rows: Sequence[Any], columns: Sequence[Column], *, as_object: Callable[[Any], object], empty: str
    ) -> None:
        """A list: one JSON object a line, or a table; `empty` is said on stderr where there is nothing to show."""
        if self.as_json:
            for row in rows:
                self.event(as_object(row))
        elif rows:
            self._data.print(_table(rows, columns))
        else:
            self.say(empty)

    def event(self, value: object) -> None:
        """One JSON object on a line of its own, written at once, so that a reader of the stream can follow."""
        try:
            sys.stdout.write(json_line(value) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            _unheard(sys.stdout)

    def text(self, text: str) -> None:
        """Data as text for people, in the terminal's own wrapping."""
        self._data.print(plain(text), soft_wrap=True)

    def say(self, text: str, *, style: str = "") -> None:
        """Anything that is not data."""
        self.messages.print(plain(text, style=style), soft_wrap=True)

    def words(self, text: str) -> None:
        """Part of what a model says, as it arrives: written at once, to the place where the part before ended."""
        self.messages.print(plain(text), end="", soft_wrap=True)
        self.messages.file.flush()

    def problem(self, text: str) -> None:
        """What went wrong."""
        self.say(text, style="red")


def plain(text: str, *, style: str = "") -> Text:
    """Text whose hidden characters are shown and whose brackets are no markup."""
    return Text(visible_text(text), style=style)


def json_line(value: object) -> str:
    """Compact JSON of plain values, dataclasses, times and money.

    Money is text, exact and without an exponent; times are ISO 8601 in UTC. ASCII only, so that no terminal reads
    control characters out of it.
    """
    return json.dumps(_jsonable(value), separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def error_object(error: BaseException, words: str, exit_code: int) -> dict[str, object]:
    """An error that ended a command, for programs."""
    return {"event": "error", "error": words, "error_class": type(error).__name__, "exit_code": int(exit_code)}


def usd_text(amount: Decimal | None) -> str:
    """Dollars as people read them: two decimals, more where the amount needs them; at most nine, the ledger's own."""
    if amount is None:
        return "-"
    text = f"{amount:.9f}".rstrip("0")
    whole, _, parts = text.partition(".")
    return f"${whole}.{parts.ljust(2, '0')}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 call, 2 calls."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def time_text(at: datetime | None) -> str:
    """A moment in the machine's own time zone, to the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "-"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """A reader that went away (`| head -1`) stops nothing: a run goes on to its own exit code."""
        _unheard(self.file)


def _unheard(stream: IO[str]) -> None:
    """Let what is still written to a stream without a reader go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # A file or a pipe has no width: nothing that a program greps for may be broken over two lines.
        console.width = _UNBOUNDED_WIDTH
    return console


def _table(rows: Iterable[Any], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.heading, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(plain(column.shown(row)) for column in columns))
    return table


def _jsonable(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _jsonable(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _jsonable(each) for key, each in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(each) for each in cast("Iterable[object]", value)]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value
