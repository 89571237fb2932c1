"""The memory and the ontology as workflows use them: adapters of the ports beside the nodes that recall and remember."""

from harness.remembering.findings import FindingsInMemory
from harness.remembering.recollection import MemoryRecollection

__all__ = ["FindingsInMemory", "MemoryRecollection"]
