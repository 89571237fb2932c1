"""What can be searched: the text files of a folder, and the READMEs that installed packages carry in their metadata.

Everything is read within bounds and imports nothing. A file is data from outside: links that lead out of its folder,
pipes and binaries are left out, and characters that a reader could not see are written as their escapes, so that a
quote is what a model and a person saw. Which folders are meant is left to `library`.
"""

import stat
from collections.abc import Iterator, Sequence
from email import message_from_string
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.workflow.visible_text import visible_text

MAX_FILES = 1000
MAX_FILE_BYTES = 256 * 1024
MAX_README_CHARACTERS = 30_000
PACKAGE = "package:"

_ENDINGS = frozenset({".md", ".rst", ".txt"})
_MAX_NAME_CHARACTERS = 100


class Document(BaseModel):
    """One text under the name that a citation gives it: `docs/tutorial.md`, or `package:httpx`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    text: str


def files_of_folder(folder: Path) -> tuple[Path, ...]:
    """The text files below a folder, by name, at most `MAX_FILES`; hidden ones are left out."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)
    shown = (path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return tuple(path for path in shown if _lies_in(path, folder))[:MAX_FILES]


def metadata_files(sites: Sequence[Path]) -> tuple[Path, ...]:
    """The metadata of every distribution in the folders, by name, at most `MAX_FILES`."""
    found = (path for site in sites for path in sorted(site.glob("*.dist-info/METADATA")))
    return tuple(path for path in found if _lies_in(path, path.parent) and not path.parent.is_symlink())[:MAX_FILES]


def documents_of_folder(folder: Path) -> Iterator[Document]:
    """The files of a folder as documents, named from the folder's own name down."""
    for path in files_of_folder(folder):
        text = _text(path)
        if text:
            name = (folder.name / path.relative_to(folder)).as_posix()
            yield Document(source=_visible_line(name), text=text)


def package_readmes(sites: Sequence[Path]) -> Iterator[Document]:
    """What each installed package says of itself; of two under one name the first counts."""
    seen: set[str] = set()
    for path in metadata_files(sites):
        message = message_from_string(_text(path))
        body = message.get_payload()
        text = body.strip() if isinstance(body, str) else ""
        name = _visible_line(str(message.get("Name") or path.parent.name.partition("-")[0]))[:_MAX_NAME_CHARACTERS]
        if text and name not in seen:
            seen.add(name)
            yield Document(source=f"{PACKAGE}{name}", text=text[:MAX_README_CHARACTERS])


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether it is a file that is really in the folder, links followed."""
    try:
        return path.resolve().is_relative_to(folder.resolve()) and stat.S_ISREG(path.stat().st_mode)
    except (OSError, RuntimeError):  # RuntimeError: links that point at one another
        return False


def _text(path: Path) -> str:
    """What a file says, its hidden characters shown; empty where it cannot be read or is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
    except OSError:
        return ""
    return "" if b"\0" in data else visible_text(data.decode("utf-8-sig", "replace")).strip()


def _visible_line(name: str) -> str:
    return " ".join(visible_text(name).split())
