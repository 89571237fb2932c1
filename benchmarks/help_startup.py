"""What `harness --help` costs: `python -m benchmarks.help_startup`."""

import resource
import subprocess
import sys

from benchmarks.reporting import Figure, Goal, arguments, machine, report, versions

GOAL_CPU_SECONDS = 0.35
HEAVY = ("langgraph", "chromadb", "temporalio", "langchain", "langchain_core")

_HELP = "import sys; sys.argv = ['harness', '--help']; from harness.cli.main import run; run()"
_LOADED = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print('loaded:', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))\n"
    f"{_HELP}"
)


def cpu_seconds() -> float:
    """User and system time of one whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _HELP], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=10)
    ran_on = machine()
    cpu_seconds()
    figure = Figure.of("harness --help, CPU of the process", "s", [cpu_seconds() for _ in range(options.runs)])
    loaded = subprocess.run([sys.executable, "-c", _LOADED], check=True, capture_output=True, text=True).stderr
    heavy = sum(name in loaded for name in HEAVY)
    goals = [
        Goal("CPU of harness --help, seconds", figure.median, GOAL_CPU_SECONDS),
        Goal("heavy libraries loaded by harness --help", heavy, 0),
    ]
    report(
        as_json=options.json, ran_on=ran_on, used=versions("typer", "rich", "pydantic"), figures=[figure], goals=goals
    )


if __name__ == "__main__":
    main()
