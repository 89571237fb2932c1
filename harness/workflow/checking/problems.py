"""Problems of one workflow, gathered by place."""

import re
from collections.abc import Sequence

from harness.workflow.loading import KeyPath, LoadedWorkflow

_PLACE = re.compile(r"^(?P<file>.*?):(?P<line>\d+):(?P<column>\d+):", re.DOTALL)


class Problems:
    """One line a problem, `file:line:column: key: what is wrong, what mends it`."""

    def __init__(self, loaded: LoadedWorkflow) -> None:
        self._loaded = loaded
        self._lines: dict[str, None] = {}

    def add(self, key_path: KeyPath, reason: str) -> None:
        """Note a problem at a key of the workflow's own file."""
        self._lines[self._loaded.document.problem(key_path, reason)] = None

    def add_lines(self, lines: Sequence[str]) -> None:
        """Note problems that carry their place already, such as those of a prompt's file."""
        self._lines.update(dict.fromkeys(lines))

    def sorted(self) -> list[str]:
        """By position: those of the workflow's own file first, then file by file."""
        return sorted(self._lines, key=self._order)

    def _order(self, line: str) -> tuple[bool, str, int, int]:
        match = _PLACE.match(line)
        assert match is not None, "every problem starts with its place"
        file = match["file"]
        return file != self._loaded.name, file, int(match["line"]), int(match["column"])
