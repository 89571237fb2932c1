"""What a tool's function prints: to stderr, line by line, without secrets.

Standard output belongs to the command: with `--json` a program reads it. While a function runs, what its own thread or
task writes to `sys.stdout` or `sys.stderr` is led away by a stand-in; everybody else's words pass through it as they
are. What a program that it starts writes to the process's own file descriptors is out of reach from here.
"""
# pyright: reportUnknownMemberType=false

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from harness.tools.redaction import Redactor

_LONGEST_LINE = 10_000


class _Lines:
    """Collects what is printed into lines."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._lock = threading.Lock()
        self._begun = ""

    def write(self, text: str) -> int:
        with self._lock:
            *whole, self._begun = (self._begun + text).split("\n")
            if len(self._begun) > _LONGEST_LINE:
                whole, self._begun = [*whole, self._begun], ""
        for line in whole:
            self._say(line)
        return len(text)

    def end(self) -> None:
        with self._lock:
            line, self._begun = self._begun, ""
        if line:
            self._say(line)

    def _say(self, line: str) -> None:
        _STREAMS.usual("stderr").write(f"{self._redactor.text(line)}\n")


_LISTENING: Final[ContextVar[_Lines | None]] = ContextVar("tool_output", default=None)


class _StandIn:
    """Stands in for one of the streams of `sys`."""

    def __init__(self, usual: Any) -> None:
        self.usual = usual

    def write(self, text: str) -> int:
        lines = _LISTENING.get()
        return self.usual.write(text) if lines is None else lines.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        return self.usual.buffer if _LISTENING.get() is None else _STREAMS.usual("stderr").buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.usual, name)


class _Streams:
    """Puts the stand-ins in place while any function runs, and takes them out after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    def enter(self) -> None:
        with self._lock:
            self._running += 1
            for name in ("stdout", "stderr"):
                if not isinstance(getattr(sys, name), _StandIn):
                    setattr(sys, name, _StandIn(getattr(sys, name)))

    def leave(self) -> None:
        with self._lock:
            self._running -= 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                # Somebody else's stream in the place of ours is left alone.
                if self._running == 0 and isinstance(stream, _StandIn):
                    setattr(sys, name, stream.usual)

    @staticmethod
    def usual(name: str) -> Any:
        stream = getattr(sys, name)
        return stream.usual if isinstance(stream, _StandIn) else stream


# Of the process, as `sys.stdout` itself is.
_STREAMS: Final = _Streams()


@contextmanager
def printed_to_stderr(redactor: Redactor) -> Generator[None]:
    """While this is open, what this thread or task prints goes to stderr, without secrets."""
    lines = _Lines(redactor)
    _STREAMS.enter()
    before = _LISTENING.set(lines)
    try:
        yield
    finally:
        _LISTENING.reset(before)
        lines.end()
        _STREAMS.leave()
