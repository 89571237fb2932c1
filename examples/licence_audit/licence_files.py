"""The licence files of one installed distribution: found, read within bounds, and never trusted.

A file is data from outside: it is read as text or listed with the reason why not. Its words are obeyed by nobody.
"""

import os
import re
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

MAX_FILES = 50
MAX_FILE_BYTES = 256 * 1024
MAX_TEXT_CHARACTERS = 60_000

_NAME = re.compile(r"^(un)?licen[cs]e|^copying|^copyright", re.IGNORECASE)
_PREFERRED = re.compile(r"^(licen[cs]e|copying)(\.(txt|md|rst))?$", re.IGNORECASE)
_TEXT_CONTROLS = frozenset("\t\n\r\f\x0b")
_MAX_CONTROL_SHARE = 0.01
_LAST_CONTROL = 0x20


class Status(StrEnum):
    """What became of a file."""

    READ = "read"
    CUT = "cut"
    EMPTY = "empty"
    BINARY = "binary"
    OUTSIDE = "outside"
    NOT_A_FILE = "not a file"
    UNREADABLE = "unreadable"


class LicenceFile(BaseModel):
    """One file as it was found.

    Args:
        path: relative to the distribution's metadata folder.
        encoding: how its bytes were read; None where they were not.
        size: bytes on disk; None where that could not be asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    status: Status
    encoding: str | None = None
    size: int | None = None


class FileText(BaseModel):
    """A file and the words in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: LicenceFile
    text: str


def licence_files(folder: Path) -> tuple[FileText, ...]:
    """The licence files of a `*.dist-info` folder, at most `MAX_FILES`, those nearest to its root first."""
    return tuple(_read(path, folder) for path in sorted(_candidates(folder), key=lambda each: _order(each, folder)))[
        :MAX_FILES
    ]


def joined_text(files: tuple[FileText, ...]) -> str:
    """The texts of the files nearest to the root, one after the other, at most `MAX_TEXT_CHARACTERS`.

    Deeper files are of parts that the package carries along; they are listed, and left out of its own licence.
    """
    readable = [each for each in files if each.text]
    depths = [each.file.path.removeprefix("licenses/").count("/") for each in readable]
    return "\n\n".join(each.text for each, depth in zip(readable, depths, strict=True) if depth == min(depths))[
        :MAX_TEXT_CHARACTERS
    ]


def _candidates(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        here = Path(root)
        below_licenses = here.relative_to(folder).parts[:1] in {("licenses",), ("license_files",)}
        for name in names:
            if _NAME.match(name) or (below_licenses and not name.upper().startswith(("NOTICE", "AUTHORS"))):
                yield here / name


def _order(path: Path, folder: Path) -> tuple[int, bool, str]:
    parts = path.relative_to(folder).parts
    depth = len(parts) - (parts[0] == "licenses")
    return depth, _PREFERRED.match(path.name) is None, path.as_posix()


def _read(path: Path, folder: Path) -> FileText:
    shown = path.relative_to(folder).as_posix().encode("utf-8", "backslashreplace").decode()
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return _unread(shown, Status.OUTSIDE)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return _unread(shown, Status.NOT_A_FILE)
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
    except (OSError, RuntimeError):  # RuntimeError: links that point at one another
        return _unread(shown, Status.UNREADABLE)
    return _decoded(shown, data, found.st_size)


def _unread(path: str, status: Status) -> FileText:
    return FileText(file=LicenceFile(path=path, status=status), text="")


def _decoded(path: str, data: bytes, size: int) -> FileText:
    encoding, text = _text_of(data, whole=size <= len(data))
    text = "\n".join(text.splitlines()).strip()
    if _is_binary(text):
        return FileText(file=LicenceFile(path=path, status=Status.BINARY, size=size), text="")
    if not text:
        return FileText(file=LicenceFile(path=path, status=Status.EMPTY, size=size), text="")
    status = Status.READ if size <= len(data) and len(text) <= MAX_TEXT_CHARACTERS else Status.CUT
    file = LicenceFile(path=path, status=status, encoding=encoding, size=size)
    return FileText(file=file, text=text[:MAX_TEXT_CHARACTERS])


def _text_of(data: bytes, *, whole: bool) -> tuple[str, str]:
    """The encoding and the text: UTF-16 with its mark, UTF-8, and whatever else as Latin-1, which takes all bytes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", data.decode("utf-16", "replace")
    try:
        return "utf-8", data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(data) - 3:  # the cut went through a character
            return "utf-8", data[: error.start].decode("utf-8-sig")
        return "latin-1", data.decode("latin-1")


def _is_binary(text: str) -> bool:
    controls = sum(ord(each) < _LAST_CONTROL and each not in _TEXT_CONTROLS for each in text)
    return "\x00" in text or controls > _MAX_CONTROL_SHARE * len(text)
