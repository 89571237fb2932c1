"""Pictures and documents that a target cannot look at: their words where they have some, else a note in their place."""

import base64
import binascii
import re

from harness.dialects.media_types import media_type_of_address
from harness.dialects.swap.turns import Border, Turn
from harness.models.catalogue import Capability
from harness.models.messages import DocumentPart, ImagePart, Part, TextPart, ToolResultPart

_LONGEST_NOTE = 200  # an address may be a whole picture in base64
_HOLDS_MEDIA = frozenset({"image", "document", "tool_result"})
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_WORDS = ("text/", "application/json", "application/xml", "application/yaml")


def shown_media(turn: Turn, border: Border) -> Turn:
    """The turn with only such pictures and documents as the target takes there."""
    if not any(part.type in _HOLDS_MEDIA for part in turn.parts):
        return turn
    parts: list[Part] = []
    for part in turn.parts:
        if isinstance(part, ImagePart | DocumentPart):
            parts.append(_shown(part, turn, border))
        elif isinstance(part, ToolResultPart) and part.attachments:
            parts.append(_result(part, turn, border))
        else:
            parts.append(part)
    return turn.with_parts(parts)


def attachments_apart(turns: list[Turn], border: Border) -> list[Turn]:
    """The attachments of results as a user's words right after the results, where a result takes none."""
    if border.rules.attachments or not any(part.attachments for turn in turns for part in turn.results):
        return turns
    out: list[Turn] = []
    waiting: list[Part] = []
    places: list[int] = []
    for turn in turns:
        if waiting and not turn.results:
            out.append(Turn("user", tuple(waiting), tuple(places)))
            waiting, places = [], []
        bare, moved = _detached(turn, border)
        waiting += moved
        places += [*turn.places] if moved else []
        others = bare.parts[len(bare.results) :]
        if waiting and others:
            bare = bare.with_parts((*bare.results, *waiting, *others))
            waiting, places = [], []
        out.append(bare)
    return [*out, Turn("user", tuple(waiting), tuple(places))] if waiting else out


def _detached(turn: Turn, border: Border) -> tuple[Turn, list[Part]]:
    """The turn without attachments, and these behind a word of where they came from."""
    parts: list[Part] = []
    moved: list[Part] = []
    for part in turn.parts:
        if not isinstance(part, ToolResultPart) or not part.attachments:
            parts.append(part)
            continue
        border.changes.add(turn.place, "attachment", "moved", len(part.attachments))
        moved += [TextPart(text=f"[attached to the result of call {part.call_id}]"), *part.attachments]
        parts.append(part.model_copy(update={"attachments": None}))
    return turn.with_parts(parts), moved


def _result(part: ToolResultPart, turn: Turn, border: Border) -> ToolResultPart:
    shown = [_shown(each, turn, border) for each in part.attachments or ()]
    kept = tuple(each for each in shown if not isinstance(each, TextPart))
    if kept == part.attachments:
        return part
    notes = [each.text for each in shown if isinstance(each, TextPart)]
    text = "\n".join([part.text, *notes] if part.text else notes)
    return part.model_copy(update={"text": text, "attachments": kept or None})


def _shown(part: ImagePart | DocumentPart, turn: Turn, border: Border) -> ImagePart | DocumentPart | TextPart:
    unpacked = _unpacked(part)
    known = None if _misplaced(turn, border) else _acceptable(unpacked, border)
    if known is not None:
        if known is not part:
            border.changes.add(turn.place, part.type, "narrowed")
        return known
    words = _words_of(unpacked) if isinstance(unpacked, DocumentPart) else None
    if words is not None:
        border.changes.add(turn.place, "document", "text")
        return TextPart(text=words)
    border.changes.add(turn.place, part.type, "dropped")
    return TextPart(text=_note(unpacked))


def _misplaced(turn: Turn, border: Border) -> bool:
    return turn.role not in {"user", "tool"} and not border.rules.assistant_media


def _unpacked(part: ImagePart | DocumentPart) -> ImagePart | DocumentPart:
    """The part as it is meant: a `data:` address is no address but the bytes themselves, and blank words are none."""
    update: dict[str, object] = {}
    found = _DATA_URL.fullmatch(part.url or "")
    if found is not None:
        update = {"url": None} if part.data is not None else {"url": None, "media_type": found[1], "data": found[2]}
    if isinstance(part, DocumentPart) and part.text is not None and not part.text.strip():
        update["text"] = None
    return part.model_copy(update=update) if update else part


def _acceptable(part: ImagePart | DocumentPart, border: Border) -> ImagePart | DocumentPart | None:
    """The part with what the target takes of it, bytes before words before an address; None where it takes nothing."""
    rules, is_image = border.rules, isinstance(part, ImagePart)
    if not _able(Capability.IMAGES if is_image else Capability.DOCUMENTS, border):
        return None
    if part.data is not None and part.media_type in (rules.image_types if is_image else rules.document_types):
        return part
    without_data = part if part.data is None else part.model_copy(update={"data": None})
    if isinstance(part, DocumentPart) and part.text is not None:
        return without_data if "text/plain" in rules.document_types else None
    urls = rules.image_urls if is_image else rules.document_urls
    known = bool(part.media_type or media_type_of_address(part.url or "")) or not rules.typed_urls
    return without_data if urls and known and _fetched(part.url, border) else None


def _fetched(url: str | None, border: Border) -> bool:
    scheme = (url or "").partition(":")[0].lower()
    return scheme in {"http", "https", *border.rules.own_schemes}


def _able(capability: Capability, border: Border) -> bool:
    # A catalogue that says nothing of a model's capabilities forbids nothing.
    capabilities = border.target.model.capabilities
    return not capabilities or capability in capabilities


def _words_of(part: DocumentPart) -> str | None:
    """A document's words under its title, if it has any."""
    words = part.text
    if words is None and part.data is not None and (part.media_type or "").startswith(_WORDS):
        try:
            words = base64.b64decode(part.data, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return None
    if words is None or not words.strip():
        return None
    return f"[document: {part.title}]\n{words}" if part.title else words


def _note(part: ImagePart | DocumentPart) -> str:
    title = part.title if isinstance(part, DocumentPart) else None
    said = title or part.url or part.media_type or "nothing to show"
    return f"[{part.type} left out: {said[:_LONGEST_NOTE]}]"
