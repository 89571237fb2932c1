"""What a command answered, in this process or in one of its own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

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
