"""What can go wrong in the memory.

MemoryStoreError
├── RecordRefused               a record that cannot be written; nothing of its batch was
│   ├── TextRefused             empty, too long, NUL bytes, lone surrogates
│   ├── ScopeRefused            a scope without an organisation, or with an unusable name
│   └── LineageUnknown          made from a record that is not there
├── RecordNotFound
├── QueryRefused                a search that cannot be answered as asked
├── WriteConflict               two writers corrected one record at once; trying again helps
├── SpaceMismatch               the embedding model is not the one the stored vectors came from
├── EmbedderUnavailable         the model's files are missing or broken
├── VectorsRefused              wrong width, NaN, infinite
└── VectorIndexError
├── VectorIndexUnavailable  the index does not answer; trying again may help
└── CollectionRefused       a stored collection that is not one of ours
"""


class MemoryStoreError(Exception):
    """Root of the package's errors; `retryable` says whether trying again can help."""

    retryable = False


class RecordRefused(MemoryStoreError):
    """A record that cannot be written; nothing of its batch was written.

    Args:
        field: the record's field at fault.
        value: what stood there, shortened.
        reason: what is wrong with it and what would mend it.
    """

    def __init__(self, field: str, value: str, reason: str) -> None:
        super().__init__(field, value, reason)
        self.field = field
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field} {self.value!r}: {self.reason}"


class TextRefused(RecordRefused):
    """Text that is empty, too long, or that a database cannot hold."""


class ScopeRefused(RecordRefused):
    """A scope without an organisation, or one of whose levels has an unusable name."""


class LineageUnknown(RecordRefused):
    """A record said to be made from one that does not exist in its organisation, or that it may not see."""


class RecordNotFound(MemoryStoreError):
    """No record has this identifier in this scope."""

    def __init__(self, record_id: str, organisation: str) -> None:
        super().__init__(record_id, organisation)
        self.record_id = record_id
        self.organisation = organisation

    def __str__(self) -> str:
        return f"no record {self.record_id!r} can be read in this scope of {self.organisation!r}; check the scope"


class QueryRefused(MemoryStoreError):
    """A search that cannot be answered as it was asked."""

    def __init__(self, argument: str, value: str, reason: str) -> None:
        super().__init__(argument, value, reason)
        self.argument = argument
        self.value = value
        self.reason = reason

    def __str__(self) -> str:
        return f"search with {self.argument} {self.value!r}: {self.reason}"


class WriteConflict(MemoryStoreError):
    """Another writer corrected one of these records in the same moment; nothing of the batch was written."""

    retryable = True

    def __init__(self, organisation: str) -> None:
        super().__init__(organisation)
        self.organisation = organisation

    def __str__(self) -> str:
        return f"another writer corrected a record of {self.organisation!r} in the same moment; write the batch again"


class SpaceMismatch(MemoryStoreError):
    """The embedder at hand is not the one that the stored vectors came from.

    Vectors of two models cannot be compared, also where their widths are equal.
    """

    def __init__(self, organisation: str, stored: str, offered: str) -> None:
        super().__init__(organisation, stored, offered)
        self.organisation = organisation
        self.stored = stored
        self.offered = offered

    def __str__(self) -> str:
        return (
            f"the vectors of {self.organisation!r} were made by {self.stored!r}; {self.offered!r} cannot search or add "
            "to them: open the memory with the former, or build the index anew for the latter"
        )


class EmbedderUnavailable(MemoryStoreError):
    """An embedding model could not be loaded."""

    def __init__(self, embedder: str, reason: str) -> None:
        super().__init__(embedder, reason)
        self.embedder = embedder
        self.reason = reason

    def __str__(self) -> str:
        return f"embedder {self.embedder!r}: {self.reason}"


class VectorsRefused(MemoryStoreError):
    """Vectors that do not belong into a space: wrong number or width, NaN or infinite values. None was stored."""

    def __init__(self, space: str, reason: str) -> None:
        super().__init__(space, reason)
        self.space = space
        self.reason = reason

    def __str__(self) -> str:
        return f"vectors for space {self.space!r}: {self.reason}"


class VectorIndexError(MemoryStoreError):
    """The vector index cannot be used. The record is untouched: an index can be thrown away and built anew."""

    def __init__(self, index: str, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self) -> str:
        return f"vector index {self.index!r}: {self.reason}"


class VectorIndexUnavailable(VectorIndexError):
    """The vector index does not answer."""

    retryable = True


class CollectionRefused(VectorIndexError):
    """A stored collection is not one of ours, for example because it names code to be run when it is opened."""
