"""How many input tokens a request can be at most, as its dialect wrote it."""

from harness.budgets.reservations import input_tokens_bound
from harness.dialects.wire import WireRequest
from harness.models.message_parts import DocumentPart, ImagePart, OtherPart, Part, ServerToolPart, ToolResultPart
from harness.models.messages import ModelRequest


def input_bound(request: ModelRequest, wire: WireRequest, *, context_tokens: int) -> int:
    """At most so many: what its bytes can be, or the model's whole context where they do not say it all.

    No provider takes more input than its model's context, so that nothing need bound beyond it.

    Args:
        request: as it was encoded, what its wire cannot carry left out.
    """
    parts = [part for message in request.messages for part in message.parts]
    parts += [each for part in parts if isinstance(part, ToolResultPart) for each in part.attachments or ()]
    if any(_says_more_than_its_bytes(part) for part in parts):
        return context_tokens
    return min(input_tokens_bound(len(wire.body), len(request.messages)), context_tokens)


def _says_more_than_its_bytes(part: Part) -> bool:
    """Whether a part may be read as more tokens than it has bytes.

    The provider fetches addresses and what its own tools found; pictures are counted by their size in points, and
    the text in a document's file is packed.
    """
    if isinstance(part, DocumentPart):
        return part.url is not None or part.data is not None
    return isinstance(part, ImagePart | ServerToolPart | OtherPart)
