"""What kind of picture or document an address leads to, told by its ending."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_BY_ENDING: Mapping[str, str] = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "pdf": "application/pdf", "txt": "text/plain", "html": "text/html",
    "css": "text/css", "csv": "text/csv", "md": "text/markdown", "xml": "text/xml", "rtf": "text/rtf",
}  # fmt: skip


def media_type_of_address(url: str) -> str | None:
    """The media type; None where the ending tells none, or it is no address."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return _BY_ENDING.get(path.rpartition(".")[2].lower())
