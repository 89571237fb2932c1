"""Courses of one workflow of effects through kills: where a run may be killed, what became of it, and what must hold.

A boundary is found by running once undisturbed, and named by what it lies beside and how often that came before, so
that it is the same in every run. What a kill may cost is known by its name: an effect that was sent and is not recorded
is sent once more, under the same key, and no other is.
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tests.must_hold.effects_project import BESIDE_EACH_OTHER, EFFECTS, write_effects

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
# By the clock of who continues: longer than any lease that a dead process left.
LATER_SECONDS = 120

# Killed between these two, a process has sent an effect of which no record is.
_SENT = frozenset({"sent", "counted", "answer begun", "answer read", "after call", "before finish"})


class Boundary(NamedTuple):
    """A moment of a process, the number of times it came to it."""

    moment: str
    number: int

    @property
    def place(self) -> str:
        """The call that it lies beside; empty where it is none's."""
        last = self.moment.rpartition(" ")[2]
        return last if "/tool" in last else ""

    @property
    def sent(self) -> str:
        """The call that has been sent and is not recorded; empty where there is none."""
        return self.place if self.moment.removesuffix(f" {self.place}") in _SENT else ""

    def __str__(self) -> str:
        return f"{self.moment} ({self.number})"


class Delivery(NamedTuple):
    """An effect as the service counted it."""

    run: str
    place: str
    key: str
    effect: str
    process: int


@dataclass(frozen=True)
class Course:
    """One run through its kills.

    Args:
        kills: where each process but the last was told to die.
        codes: how each process ended.
        begins: by process, what was recorded of each call before it did anything.
        result: of the last process.
        deliveries: what the service counted.
    """

    kills: Sequence[Boundary]
    codes: Sequence[int]
    begins: Sequence[dict[str, str]]
    result: dict[str, Any]
    deliveries: Sequence[Delivery]

    @property
    def deaths(self) -> Sequence[Boundary]:
        """The kills that came about: a process may come to a boundary no more."""
        return [kill for kill, code in zip(self.kills, self.codes, strict=False) if code == KILLED]

    @cached_property
    def count(self) -> Counter[str]:
        """How often each call was delivered, by its place."""
        return Counter(each.place for each in self.deliveries)

    @property
    def repeats(self) -> int:
        """Deliveries beyond the first of their key."""
        return len(self.deliveries) - len({each.key for each in self.deliveries})

    @property
    def lost(self) -> frozenset[str]:
        """Effects that were never made."""
        return EFFECTS - {each.effect for each in self.deliveries}

    @property
    def doubled(self) -> frozenset[str]:
        """Effects that came under more than one key."""
        keys: dict[str, set[str]] = {}
        for each in self.deliveries:
            keys.setdefault(each.effect, set()).add(each.key)
        return frozenset(effect for effect, found in keys.items() if len(found) > 1)

    def broken(self, undisturbed: "Course") -> list[str]:
        """What does not hold that must; empty where all does."""
        found = [*self._of_the_run(undisturbed), *self._of_deliveries(), *self._of_counts(undisturbed)]
        course = ", then ".join(map(str, self.kills))
        return [f"killed at {course}: {each}" for each in found]

    def _of_the_run(self, undisturbed: "Course") -> Iterator[str]:
        if not self.deaths:
            yield "nothing was killed"
        if self.result.get("status") != "completed":
            yield f"it ended as {self.result.get('status')!r}: {self.result.get('error')}"
        if self.result.get("state") != undisturbed.result["state"]:
            yield f"its state is {self.result.get('state')}"
        for effect in sorted(self.lost):
            yield f"{effect} was never delivered"
        for effect in sorted(self.doubled):
            yield f"{effect} was delivered under several keys"

    def _of_deliveries(self) -> Iterator[str]:
        for each in self.deliveries:
            if each.key != f"{self.result['run']}/{each.place}":
                yield f"{each.effect} has the key {each.key!r}"
            if self.begins[each.process].get(each.place) == "done":
                yield f"{each.effect} was delivered by process {each.process} after its record"
            if any(each.place not in begin for begin in self.begins[each.process + 1 :]):
                yield f"{each.effect} was sent by process {each.process} before that was noted"

    def _of_counts(self, undisturbed: "Course") -> Iterator[str]:
        """Each call once, and once more for each death between its being sent and its being recorded."""
        known = undisturbed.count.keys()
        for place in sorted(self.count.keys() - known):
            yield f"{place} was delivered, which the workflow does not have"
        for place in known:
            least = 1 + sum(death.sent == place for death in self.deaths)
            most = 1 + sum(death.sent == place or _beside(place, death) for death in self.deaths)
            if not least <= self.count[place] <= most:
                yield f"{place} was delivered {self.count[place]} times, not {least} to {most}"


def _beside(place: str, death: Boundary) -> bool:
    """Whether a call may have been in flight when its process died at somebody else's boundary."""
    group = next((each for each in BESIDE_EACH_OTHER if place in each), None)
    return group is not None and (death.place in group or not death.place)


class CrashMatrix:
    """A shop's service, processes that advance runs, and a home for each run; close it.

    Args:
        at_once: how many runs go on at the same time.
        database_url: of a PostgreSQL database that all runs share, instead of files of their own.
    """

    def __init__(self, folder: Path, *, at_once: int = 2, database_url: str | None = None) -> None:
        self._folder = folder
        self._log = folder / "deliveries.jsonl"
        self._database = {} if database_url is None else {"database_url": database_url}
        self._closing = contextlib.ExitStack()
        self._service = self._started("tests.must_hold.effect_service", "--log", str(self._log))
        self._project = write_effects(folder / "project", int(_line(self._service)))
        self._drivers: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for _ in range(max(2, at_once)):  # two, so that a run can be continued by two
            self._drivers.put(self._started("tests.must_hold.effect_driver"))
        self._at_once = at_once
        # With their tables, because making them takes longer than most runs here.
        self._empty = folder / "empty"
        self._told({"home": str(self._empty), "out": str(folder / "empty.json"), "opens": True})

    def close(self) -> None:
        """End all processes."""
        self._closing.close()

    @cached_property
    def undisturbed(self) -> Course:
        """The course of a run that nothing happens to."""
        return self.course(())

    @cached_property
    def boundaries(self) -> Sequence[Boundary]:
        """Wherever a run may be killed: each moment of its process in their order, and the service's own."""
        seen: Counter[str] = Counter()
        found: list[Boundary] = []
        for moment in self.undisturbed.result["trail"]:
            seen[moment] += 1
            found.append(Boundary(moment, seen[moment]))
        places = dict.fromkeys(each.place for each in self.undisturbed.deliveries)
        return [*found, *(Boundary(f"{held} {place}", 1) for place in places for held in ("held", "counted"))]

    def courses(self, kills: Sequence[Sequence[Boundary]]) -> Sequence[Course]:
        """A run for each sequence of kills, some at the same time."""
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self.course, kills))

    def course(self, kills: Sequence[Boundary], *, last: int = 1) -> Course:
        """One run, killed at these boundaries one after the other and continued by a new process each time.

        Args:
            last: how many processes continue it at once after the last kill.
        """
        home = self._home()
        codes: list[int] = []
        begins: list[dict[str, str]] = []
        result: dict[str, Any] = {}
        for process, kill in enumerate((*kills, *[None] * (last == 1))):
            code, result = self._advanced(home, process, result.get("run"), kill)
            codes.append(code)
            begins.append(result["steps"])
            if code != KILLED:
                break  # it did not come to that boundary any more, and went on to the end
        if last > 1:
            with ThreadPoolExecutor(last) as pool:
                each = range(last)
                ends = list(pool.map(lambda _: self._advanced(home, len(kills), result["run"], None), each))
            codes += [code for code, _ in ends]
            # Who was refused, or came when all was done, sent nothing.
            _, result = min(ends, key=lambda end: (end[1]["status"] != "completed", len(end[1]["steps"])))
            begins.append(result["steps"])
        shutil.rmtree(home)
        return Course(kills, codes, begins, result, self._deliveries(result["run"]))

    def overtaken(self, stop: Boundary) -> Course:
        """One run whose process is stopped at a boundary, and wakes once another has brought the run to its end."""
        home = self._home()
        out = home / "stopped.json"
        order = {"home": str(home), "out": str(out), "process": 0, "stop_at": stop}
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(self._told, order)
            pid = _stopped(out)
            try:
                run = json.loads(out.read_text())["run"]
                code, result = self._advanced(home, 1, run, None)
            finally:
                os.kill(pid, signal.SIGCONT)
            codes = (stopped.result(), code)
        shutil.rmtree(home)
        return Course((), codes, ({}, result["steps"]), result, self._deliveries(run))

    def _advanced(self, home: Path, process: int, run: str | None, kill: Boundary | None) -> tuple[int, dict[str, Any]]:
        """How a process ended that started or continued a run, and what it said."""
        out = home / f"{os.urandom(4).hex()}.json"
        order: dict[str, Any] = {"home": str(home), "out": str(out), "process": process}
        if run is not None:
            order |= {"run": run, "later_seconds": process * LATER_SECONDS}
        if kill is not None:
            order["kill_at"] = kill
        return self._told(order), json.loads(out.read_text())

    def _home(self) -> Path:
        home = self._folder / f"home-{os.urandom(6).hex()}"
        if self._empty.exists():
            return Path(shutil.copytree(self._empty, home))
        home.mkdir()  # all is in the shared database
        return home

    def _deliveries(self, run: str) -> Sequence[Delivery]:
        return [Delivery(**json.loads(line)) for line in self._log.read_text().splitlines() if run in line]

    def _told(self, order: dict[str, Any]) -> int:
        """How the process ended that did an order."""
        driver = self._drivers.get()
        try:
            assert driver.stdin is not None
            driver.stdin.write(json.dumps({"project": str(self._project), **self._database, **order}) + "\n")
            driver.stdin.flush()
            return int(_line(driver))
        finally:
            self._drivers.put(driver)

    def _started(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._closing.callback(_ended, process)
        return process


def _stopped(out: Path) -> int:
    """The number of the process that writes to `out`, once it is stopped; another process has no other way to tell."""
    until = time.monotonic() + 20
    while True:
        pid = json.loads(out.read_text())["pid"] if out.exists() else None
        if pid and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return pid
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _ended(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(timeout=20)
    process.stdout.close()
