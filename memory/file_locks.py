"""Locks between processes, that the system releases when their holder dies.

Source: flock(2). A lock belongs to the open file: a child that inherits the descriptor holds it as well.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """An advisory lock on a file, made when it is missing. Not re-entrant; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take the lock; False when it is another's and `wait` is off."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go of it; a child that inherited it goes on holding it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def descriptor(self) -> int:
        """To hand down to a child while the lock is held."""
        assert self._descriptor is not None, f"{self.path} is not held"
        return self._descriptor

    @contextmanager
    def holding(self) -> Generator[None]:
        """Hold it for a while, waiting for it first."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def is_free(self) -> bool:
        """Whether nobody holds it at this moment; this object must not hold it."""
        assert not self.held, f"{self.path} is held by who asks"
        if not self.acquire(wait=False):
            return False
        self.release()
        return True
