"""What was learned, kept as text and facts that any model can use and any system can take along.

    from memory import MemoryStore, NewRecord, Scope
    from memory.chroma_index import ChromaIndex
    from memory.wordllama_embedder import WordLlamaEmbedder

The record is SQL; vectors are an index derived from it. Adapters are imported from their modules, so that nobody loads
what they do not use.
"""

from memory.exceptions import MemoryStoreError
from memory.memory_store import MemoryStore, Remembered
from memory.record_filters import AsOf
from memory.records import Kind, MemoryRecord, NewRecord, Provenance, Scope, Sensitivity, Trust, lowest_trust
from memory.search import Hit, SearchResult

__all__ = [
    "AsOf",
    "Hit",
    "Kind",
    "MemoryRecord",
    "MemoryStore",
    "MemoryStoreError",
    "NewRecord",
    "Provenance",
    "Remembered",
    "Scope",
    "SearchResult",
    "Sensitivity",
    "Trust",
    "lowest_trust",
]
