"""Whether record and vector index agree, and making them agree."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory.embedder import Embedder
from memory.record_store import RecordStore
from memory.space_registry import SpaceRegistry
from memory.vector_index import VectorIndex
from memory.writing import VectorWriter

REPAIR_PRINCIPAL = "memory verify"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where an organisation's index differs from its record.

    Args:
        records: how many versions the record holds.
        pending: how many vectors are still owed, which is no fault.
        missing: versions without a vector that none is owed for.
        orphans: vectors without a version.
    """

    organisation: str
    records: int
    pending: int
    missing: tuple[str, ...]
    orphans: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether they agree, but for what is still owed."""
        return not self.missing and not self.orphans


class Verifier:
    """Compares the record with the vectors of one embedder's space."""

    def __init__(
        self,
        store: RecordStore,
        spaces: SpaceRegistry,
        index: VectorIndex,
        embedder: Embedder,
        writer: VectorWriter,
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._index = index
        self._embedder = embedder
        self._writer = writer

    def verify(self, organisations: Sequence[str] | None = None) -> list[Disagreement]:
        """Compare; of all organisations that have records, unless some are named.

        Raises:
            VectorIndexUnavailable: the index does not answer.
            SpaceMismatch: another embedder's space serves.
        """
        names = self._store.organisations() if organisations is None else organisations
        return [self._compare(name) for name in names]

    def repair(self, organisations: Sequence[str] | None = None) -> list[Disagreement]:
        """Make what is missing and owed, remove what is an orphan, and compare again."""
        for found in self.verify(organisations):
            if found.orphans:
                self._index.delete(found.organisation, self._embedder.space, found.orphans)
            if found.missing:
                self._store.owe(found.organisation, REPAIR_PRINCIPAL, found.missing)
            self._writer.index_pending(found.organisation)
        return self.verify(organisations)

    def _compare(self, organisation: str) -> Disagreement:
        space = self._embedder.space
        self._spaces.check(organisation, space)
        # In this order nothing written meanwhile looks lost: a debt is ticked off only when its vector is there.
        recorded = self._store.version_ids(organisation)
        owed = self._store.pending_versions(organisation)
        stored = set(self._index.ids(organisation, space))
        orphans = stored.difference(recorded)
        if orphans:
            # Nor does it look orphaned: a version is there before its vector.
            orphans.difference_update(self._store.version_ids(organisation))
        return Disagreement(
            organisation,
            records=len(recorded),
            pending=len(owed),
            missing=tuple(version for version in recorded if version not in stored and version not in owed),
            orphans=tuple(sorted(orphans)),
        )
