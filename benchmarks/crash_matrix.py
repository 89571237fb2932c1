"""What kills cost in effects: `python -m benchmarks.crash_matrix`, `--kills N` for fewer than one at every boundary.

A run of ten effects (HTTP requests, a Python function, parallel branches, items of a list, an agent's call, an approved
one) at a service on loopback that counts each delivery with its idempotency key. A process is killed with SIGKILL at a
boundary, another continues the run to its end. An effect that was sent and is not recorded when its process dies is
sent again under the same key: a safe repeat. Two runs go on at the same time.
"""

import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.reporting import Figure, Goal, arguments, machine, report, versions
from tests.must_hold.effect_matrix import Boundary, Course, CrashMatrix
from tests.must_hold.effects_project import EFFECTS


def chosen(matrix: CrashMatrix, kills: int) -> list[Boundary]:
    """Boundaries spread evenly over the run; all of them for 0, and from the start again for more than there are."""
    known = matrix.boundaries
    if kills == 0 or kills > len(known):
        return [known[place % len(known)] for place in range(kills or len(known))]
    return [known[place * len(known) // kills] for place in range(kills)]


def counted(courses: list[Course], boundaries: int, seconds: float) -> list[Figure]:
    """What came of all runs."""
    figures = {
        "boundaries of a run": (boundaries, ""),
        "kills": (sum(len(course.deaths) for course in courses), ""),
        "effects": (len(EFFECTS) * len(courses), ""),
        "deliveries": (sum(len(course.deliveries) for course in courses), ""),
        "safe repeats, under the same key": (sum(course.repeats for course in courses), ""),
        "seconds": (seconds, "s"),
        "seconds a killed and continued run": (seconds / len(courses), "s"),
    }
    return [Figure.of(name, unit, [value]) for name, (value, unit) in figures.items()]


def promised(courses: list[Course], undisturbed: Course) -> list[Goal]:
    """What must be none at all."""
    return [
        Goal("effects lost", sum(len(course.lost) for course in courses), 0),
        Goal("effects doubled under another key", sum(len(course.doubled) for course in courses), 0),
        Goal("anything else that must hold and did not", sum(len(course.broken(undisturbed)) for course in courses), 0),
    ]


def main() -> None:
    """Kill, continue, count."""
    options = arguments(__doc__ or "", kills=0)
    ran_on = machine()
    folder = Path(tempfile.mkdtemp(prefix="crash_matrix_"))
    try:
        matrix = CrashMatrix(folder)
        try:
            undisturbed, kills = matrix.undisturbed, chosen(matrix, options.kills)
            began = time.perf_counter()
            courses = list(matrix.courses([(each,) for each in kills]))
            seconds = time.perf_counter() - began
        finally:
            matrix.close()
    finally:
        shutil.rmtree(folder)
    report(
        as_json=options.json,
        ran_on=ran_on,
        used=versions("langgraph", "sqlalchemy", "pysqlite3", "httpx"),
        figures=counted(courses, len(matrix.boundaries), seconds),
        goals=promised(courses, undisturbed),
    )


if __name__ == "__main__":
    main()
