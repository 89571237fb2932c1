"""What a command answered, in this process or in one of its own."""

import io
import json
import subprocess
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from harness.cli.main import run

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """Its exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def object(self):
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def ended(process: subprocess.Popen) -> Said:
    out, err = process.communicate(timeout=120)
    return Said(process.returncode, out, err)


def said_here(words: Sequence[str]) -> Said:
    """Run the console script in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run(words)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Said(code, out.getvalue(), err.getvalue())
