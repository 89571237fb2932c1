"""Writing to stores that several processes write to."""

from collections.abc import Callable
from typing import TypeVar

from memory import MemoryStoreError
from ontology import OntologyError

T = TypeVar("T")

# Two writers of one record are in each other's way once; more is for the case of many.
_ATTEMPTS = 5


def written(write: Callable[[], T]) -> T:
    """Write, once more where another writer was at the same record; an attempt that failed has written nothing."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return write()
        except (OntologyError, MemoryStoreError) as error:
            if not error.retryable:
                raise
    return write()
