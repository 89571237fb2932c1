"""Files that people write in YAML, and how a mistake in one is shown: by file, line, column and key.

What a file may say is left to the pydantic model that it is validated into; turning text into values is
`yaml_nodes`'.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ValidationError

from ontology.exceptions import YamlInvalid
from ontology.model_keys import allowed_keys
from ontology.yaml_nodes import Node, Position, TextProblem, TextRefused, compose

__all__ = [
    "MAX_BYTES",
    "Position",
    "YamlDocument",
    "parse_yaml",
    "read_yaml",
    "validation_problems",
]

MAX_BYTES = 1_000_000

KeyPath = Sequence[str | int]


@dataclass(frozen=True)
class YamlDocument:
    """The plain values of one YAML text: dict, list, str, int, float, bool, None.

    What stands under an anchor and its aliases is one shared object: read it, do not change it.

    Attributes:
        name: what messages call it, usually the file's path.
    """

    name: str
    value: object
    root: Node = field(repr=False, compare=False)

    def position(self, key_path: KeyPath) -> Position:
        """Where a key (or a list's item) stands; for what is not there, where its deepest existing parent stands."""
        node = self.root
        for part in key_path:
            child = node.children.get(part)
            if child is None:
                break
            node = child
        return node.position

    def place(self, key_path: KeyPath = ()) -> str:
        """The same as text that editors and terminals turn into a link, `file:line:column`."""
        position = self.position(key_path)
        return f"{self.name}:{position.line}:{position.column}"

    def problem(self, key_path: KeyPath, reason: str) -> str:
        """One line: the place, the key and what is wrong with it."""
        key = shown_path(key_path)
        return f"{self.place(key_path)}: {key}: {reason}" if key else f"{self.place(key_path)}: {reason}"


def read_yaml(path: Path) -> YamlDocument:
    """Read one UTF-8 file.

    Raises:
        YamlInvalid: it is over `MAX_BYTES`, not UTF-8, or not a YAML document of plain values.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    try:
        text = data.decode("utf-8-sig") if len(data) <= MAX_BYTES else ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise YamlInvalid([f"{path}:{line}:1: {reason}"]) from error
    if len(data) > MAX_BYTES:
        raise _too_large(str(path))
    return parse_yaml(text, name=str(path))


def parse_yaml(text: str, *, name: str) -> YamlDocument:
    """Read one document; an empty one holds None.

    Refused are syntax errors, a key that stands twice or is not text, every tag (`!!python/object`, `!!str`), merge
    keys, numbers that are not finite, and texts whose aliases, written out, pass the limits of `yaml_nodes`.

    Args:
        text: the document.
        name: what messages call it.

    Raises:
        YamlInvalid: with every problem that could be found, in the order of the text.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise _too_large(name)
    try:
        root, problems = compose(text.removeprefix("\ufeff"))
    except TextRefused as refused:
        raise YamlInvalid([_line(name, refused.problem)]) from refused
    if problems:
        raise YamlInvalid([_line(name, problem) for problem in sorted(problems, key=lambda each: each.position)])
    return YamlDocument(name, root.value, root)


def validation_problems(
    document: YamlDocument, error: ValidationError, model: type[BaseModel] | None = None
) -> list[str]:
    """What a model refused in a document, one line a problem, in the order of the text.

    Each line is `file:line:column: key.path: what is wrong and what would mend it`.

    Args:
        document: what was validated.
        error: what `model.model_validate(document.value)` raised.
        model: the model, so that an unknown key can be answered with the nearest one that it knows.
    """
    found: dict[str, Position] = {}
    for detail in cast("list[dict[str, Any]]", error.errors(include_url=False)):
        path, reason = _explained(document, detail, model)
        found.setdefault(document.problem(path, reason), document.position(path))
    return sorted(found, key=lambda line: found[line])


def nearest(word: str, known: Sequence[str]) -> str:
    """Words that help someone who wrote a word that is not known: the nearest, or all there are when few."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not known:
        return "remove it"
    return f"known here: {shorten(', '.join(known), 200)}"


def shown_path(key_path: KeyPath) -> str:
    """A path of keys as people write it: `nodes.classify.retries[0]`."""
    shown = ""
    for part in key_path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown


def _explained(
    document: YamlDocument, detail: dict[str, Any], model: type[BaseModel] | None
) -> tuple[tuple[str | int, ...], str]:
    """The path of what one pydantic error is about, and words for it."""
    kind: str = detail["type"]
    context: dict[str, Any] = detail.get("ctx") or {}
    loc: tuple[str | int, ...] = detail["loc"]
    given: object = detail["input"]
    if kind == "missing":
        return (*_document_path(document.root, loc[:-1], given), loc[-1]), "is missing: add it"
    path = _document_path(document.root, loc, given)
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        path = (*path, context["discriminator"].strip("'"))
        return path, _unknown_tag(context) if "tag" in context else "is missing: add it"
    if kind == "extra_forbidden":
        known = allowed_keys(model, document.value, path[:-1]) if model else []
        return path, f"unknown key; {nearest(str(path[-1]), known)}"
    return path, _wrong_value(kind, context, given, detail["msg"])


def _unknown_tag(context: dict[str, Any]) -> str:
    return f"{context['tag']!r} is not known; {nearest(str(context['tag']), _quoted(context['expected_tags']))}"


def _wrong_value(kind: str, context: dict[str, Any], given: object, message: str) -> str:
    if kind in {"literal_error", "enum"} and isinstance(given, str):
        return f"{given!r} is not known; {nearest(given, _quoted(context['expected']))}"
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in {"value_error", "assertion_error"} or isinstance(given, dict | list):
        return message
    return f"{message}, not {shorten(repr(given), 60)}"


def _document_path(root: Node, loc: KeyPath, given: object) -> tuple[str | int, ...]:
    """The part of a pydantic location that is in the document.

    pydantic puts the names of union members and validators between the keys, and such a name can also be a key; of
    the ways to leave parts out, the one that ends at the value pydantic was given is right, then the longest.
    """
    best: dict[tuple[int, int], _Way] = {}

    def way(node: Node, at: int) -> _Way:
        if at == len(loc):
            return _Way(node.value is given, False, 0, ())
        key = (id(node), at)
        if key not in best:
            best[key] = way(node, at + 1)
            child = node.children.get(loc[at])
            if child is not None:
                below = way(child, at + 1)
                last = below.ends_at_last or at == len(loc) - 1
                taken = _Way(below.ends_at_given, last, below.length + 1, (loc[at], *below.path))
                best[key] = max(best[key], taken, key=lambda each: each[:3])
        return best[key]

    return way(root, 0).path


class _Way(NamedTuple):
    """One reading of a location; the greater, the likelier."""

    ends_at_given: bool
    ends_at_last: bool
    length: int
    path: tuple[str | int, ...]


def _quoted(names: str) -> list[str]:
    """The names in pydantic's list of what it expected: `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", names)


def shorten(text: str, length: int) -> str:
    """A text of at most `length` characters, for a message."""
    return text if len(text) <= length else text[: length - 3] + "..."


def _line(name: str, problem: TextProblem) -> str:
    key = shown_path(problem.path)
    place = f"{name}:{problem.position.line}:{problem.position.column}"
    return f"{place}: {key}: {problem.reason}" if key else f"{place}: {problem.reason}"


def _too_large(name: str) -> YamlInvalid:
    return YamlInvalid([f"{name}:1:1: larger than {MAX_BYTES:,} bytes: split it into several files"])
