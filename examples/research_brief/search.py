"""The tool `search_documents`: passages for a few words, out of what the run's library holds."""

from typing import Annotated

from pydantic import Field

from harness.workflow.nodes.node_context import NodeContext

from .library import library_of
from .passages import Passage


def search_documents(
    query: Annotated[str, Field(min_length=1, max_length=200)],
    context: NodeContext,
    limit: Annotated[int, Field(ge=1, le=6)] = 4,
) -> tuple[Passage, ...]:
    """Passages of the documents that have the words of a query, best first.

    Raises:
        LibraryMissing: nobody has said what this run searches.
    """
    return library_of(context).ranking().best(query, limit)
