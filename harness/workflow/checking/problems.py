"""Problems of one workflow, gathered by place."""

import re
from collections.abc import Sequence

from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import MapNode

_PLACE = re.compile(r"^(?P<file>.*?):(?P<line>\d+):(?P<column>\d+):", re.DOTALL)


class Problems:
    """One line a problem, `file:line:column: key: what is wrong, what mends it`."""

    def __init__(self, loaded: LoadedWorkflow) -> None:
        self._loaded = loaded
        self._lines: dict[str, None] = {}

    def add(self, key_path: KeyPath, reason: str) -> None:
        """Note a problem at a key of the workflow's own file; what a map runs is found within the map."""
        self._lines[self._loaded.document.problem(self._within_map(key_path), reason)] = None

    def _within_map(self, path: KeyPath) -> KeyPath:
        if len(path) < 3 or path[0] != "nodes":  # noqa: PLR2004 - a node's key has two keys above it
            return path
        node = self._loaded.spec.nodes.get(str(path[1]))
        if not isinstance(node, MapNode):
            return path
        if path[2] == "for_each":
            return (*path[:2], "over", *path[3:])
        return path if path[2] in MapNode.model_fields else (*path[:2], "node", *path[2:])

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
