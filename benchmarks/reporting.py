"""How a benchmark reports: machine, versions, figures with spread, goals. Gates nothing."""

import argparse
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured quantity over several runs."""

    name: str
    unit: str
    median: float
    minimum: float
    maximum: float
    runs: int

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> "Figure":
        """The spread of some values."""
        return cls(name, unit, statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Goal:
    """What a figure was meant to be; stands in the code, so that it cannot be adjusted to a result."""

    name: str
    value: float
    goal: float

    @property
    def met(self) -> bool:
        """All goals here are upper bounds."""
        return self.value <= self.goal


def machine() -> Mapping[str, object]:
    """What it ran on."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> Mapping[str, str]:
    """Versions of the packages that were measured."""
    return {name: version(name) for name in packages}


def arguments(description: str, **options: int) -> argparse.Namespace:
    """`--json` and whole-number options with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    for name, default in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


def report(
    *,
    as_json: bool,
    ran_on: Mapping[str, object],
    used: Mapping[str, str],
    figures: Sequence[Figure],
    goals: Sequence[Goal],
) -> None:
    """Print it, for people or as one JSON object."""
    if as_json:
        shown: dict[str, Any] = {
            "machine": ran_on,
            "versions": used,
            "figures": [asdict(figure) for figure in figures],
            "goals": [{"name": g.name, "value": g.value, "goal": g.goal, "met": g.met} for g in goals],
        }
        print(json.dumps(shown))
        return
    print(f"on {ran_on['cpu']}, {ran_on['cores']} cores, load {ran_on['load_at_start']:.1f}, Python {ran_on['python']}")
    print("  " + ", ".join(f"{name} {number}" for name, number in used.items()))
    for figure in figures:
        spread = f"{figure.minimum:.3f} to {figure.maximum:.3f}, {figure.runs} runs"
        print(f"{figure.name:<44} {figure.median:>9.3f} {figure.unit:<8} ({spread})")
    for goal in goals:
        print(f"goal: {goal.name}: {goal.value:.3f}, wanted at most {goal.goal:g}: {'met' if goal.met else 'missed'}")


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
