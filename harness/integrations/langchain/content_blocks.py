"""LangChain's content, a text or a list of blocks, as neutral parts, and back.

Read are LangChain's standard blocks of both versions, and the shapes of OpenAI and Anthropic that people's code holds.
What no neutral part can say, such as sound, is refused by its name: it must not be lost in silence.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from harness.exceptions import ConfigurationInvalid
from harness.json_values import Json, JsonObject
from harness.models.message_parts import DocumentPart, ImagePart, Part, TextPart

Content = str | list[str | dict[str, object]]

_DATA_URL = re.compile(r"data:(?P<media>[\w.+/-]+)(?:;[\w=.+-]+)*;base64,(?P<data>.*)", re.DOTALL)
_WORDS = frozenset({"text", "output_text", "input_text", "refusal"})
_DOCUMENTS = frozenset({"file", "document", "input_file", "text-plain"})
_DETAILS = frozenset({"low", "high", "auto"})


def parts_of_content(content: object) -> tuple[Part, ...]:
    """The parts of a person's or a tool's content.

    Raises:
        ConfigurationInvalid: a block that no model can be told by this version.
    """
    if isinstance(content, str):
        return (TextPart(text=content),) if content else ()
    blocks = cast("Sequence[object]", content) if isinstance(content, list | tuple) else ()
    return tuple(_part_of(block) for block in blocks if block not in ("", None))


def content_of_parts(parts: Iterable[Part]) -> Content:
    """Words and media as LangChain's content; a text where there are only words."""
    shown = [part for part in parts if isinstance(part, TextPart | ImagePart | DocumentPart)]
    if all(isinstance(part, TextPart) for part in shown):
        return "".join(part.text for part in shown if isinstance(part, TextPart))
    return [_block_of(part) for part in shown]


def block_type(block: object) -> str:
    """What a block calls itself; a bare text is a text."""
    if isinstance(block, str):
        return "text"
    kind = cast("Mapping[str, object]", block).get("type") if isinstance(block, Mapping) else None
    return kind if isinstance(kind, str) else ""


def block_text(block: object) -> str:
    """The words of a text block; empty for any other."""
    if isinstance(block, str):
        return block
    fields = cast("Mapping[str, object]", block)
    return _text(fields, "text", "refusal") if block_type(block) in _WORDS else ""


def _part_of(block: object) -> Part:
    kind = block_type(block)
    if kind in _WORDS:
        return TextPart(text=block_text(block))
    fields = _plain_fields(block)
    if kind in ("image", "image_url", "input_image"):
        return _image(fields)
    if kind in _DOCUMENTS:
        return _document(fields)
    raise refused(kind or type(block).__name__)


def refused(kind: str) -> ConfigurationInvalid:
    """A block that no neutral part can say."""
    remedy = "models are told text, images and documents: leave it out, or turn it into one of these"
    return ConfigurationInvalid("content block", kind, "a LangChain message", remedy)


def _image(block: JsonObject) -> ImagePart:
    held = _held(block.get("image_url"), "url") | _source(block) | block
    detail = _text(held, "detail")
    url, media, data = _where(held)
    return ImagePart.model_validate(
        {
            "media_type": media,
            "data": data,
            "url": url,
            "detail": detail if detail in _DETAILS else None,
        }
    )


def _document(block: JsonObject) -> DocumentPart:
    held = _held(block.get("file"), "file_data") | _source(block) | block
    url, media, data = _where(held)
    text = _text(held, "text") or None
    if "text" in (_text(held, "source_type"), _text(_source(block), "type")):
        text = text or _text(held, "data")
        data = None
    if not (url or data or text):
        raise refused("file by its id")
    title = _text(held, "title", "filename", "name") or None
    return DocumentPart(media_type=media, data=data, text=text, url=url, title=title)


def _where(held: Mapping[str, Json]) -> tuple[str | None, str | None, str | None]:
    """Address, media type and bytes of what a block shows."""
    url = _text(held, "url", "image_url", "file_url") or None
    media = _text(held, "mime_type", "media_type") or None
    data = _text(held, "base64", "data", "file_data") or None
    for given in (url, data):
        match = _DATA_URL.fullmatch(given) if given else None
        if match:
            return None, match["media"], match["data"]
    if url is None and data is None and _text(held, "file_id"):
        raise refused("file by its id")
    return (None, media, data) if data else (url, media, None)


def _source(block: JsonObject) -> JsonObject:
    """Anthropic's place for what a block shows."""
    return _held(block.get("source"), "url")


def _held(value: Json, key: str) -> JsonObject:
    if isinstance(value, dict):
        return value
    return {key: value} if isinstance(value, str) else {}


def _plain_fields(block: object) -> JsonObject:
    return dict(cast("Mapping[str, Json]", block)) if isinstance(block, Mapping) else {}


def _text(fields: Mapping[str, object], *keys: str) -> str:
    return next((value for value in (fields.get(key) for key in keys) if isinstance(value, str) and value), "")


def _block_of(part: TextPart | ImagePart | DocumentPart) -> dict[str, object]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, DocumentPart) and part.text is not None:
        title = f"{part.title}\n\n" if part.title else ""
        return {"type": "text", "text": f"{title}{part.text}"}
    shown: dict[str, object] = {"type": "image" if isinstance(part, ImagePart) else "file"}
    if part.data is not None:
        shown |= {"base64": part.data, "mime_type": part.media_type or "application/octet-stream"}
    else:
        shown["url"] = part.url
    if isinstance(part, DocumentPart) and part.title:
        shown["filename"] = part.title
    return shown
