"""The root of the harness's errors, and the one every room raises: a name that is not there."""

from collections.abc import Sequence


class HarnessError(Exception):
    """Root of the package's errors; `retryable` says whether trying the same again can help."""

    retryable = False


class NameUnknown(HarnessError):
    """A name that nothing here carries.

    Args:
        kind: what was looked for ("model", "run", "workflow", "tool", ...).
        nearest: names that exist and look alike, best first.
    """

    def __init__(self, kind: str, name: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(kind, name, tuple(nearest))
        self.kind = kind
        self.name = name
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(map(repr, self.nearest))}?" if self.nearest else ""
        return f"no {self.kind} {self.name!r}{hint}"
