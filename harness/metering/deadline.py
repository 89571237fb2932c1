"""Until when a call may go on."""

from collections.abc import Callable


class Deadline:
    """So many seconds from when it is made.

    Args:
        monotonic: seconds.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._began = monotonic()

    def left_seconds(self) -> float:
        """How long is left; below zero once it has passed."""
        return self._began + self.seconds - self._monotonic()
