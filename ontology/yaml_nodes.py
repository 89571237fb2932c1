"""YAML 1.2 text to plain values, each with its place in the text.

The only importer of ruamel.yaml, and only of its parser: values are built here, so that nothing but dict, list,
str, int, float, bool and None can come of a document, whatever it says. What the values mean, and how a mistake
is shown to a person, is left to `yaml_documents`.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

# Far above any file a person writes; low enough that a hostile one costs milliseconds.
MAX_DEPTH = 100
MAX_NODES = 100_000  # counted with every alias written out

# The core schema of YAML 1.2.2, section 10.3.2.
_NULL = re.compile(r"(?:~|null|Null|NULL)?")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MAX_DIGITS = 1000


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text; lines and columns are counted from 1, as editors do."""

    line: int
    column: int


@dataclass
class Node:
    """A value, where it (or its key) stands, and the nodes below it.

    An alias shares its anchor's value and its anchor's children, so their places are those of the anchor.
    """

    value: object
    position: Position
    children: "dict[str | int, Node]" = field(default_factory=dict[str | int, "Node"])
    size: int = 1  # nodes with every alias written out
    depth: int = 0  # levels below this one


@dataclass(frozen=True)
class TextProblem:
    """What is wrong at one place of a text, the keys that lead there, and what would mend it."""

    position: Position
    path: tuple[str | int, ...]
    reason: str


class TextRefused(Exception):
    """The text cannot be read further than this problem."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(problem)
        self.problem = problem


def compose(text: str) -> tuple[Node, list[TextProblem]]:
    """The tree of one document, and what is wrong in it that did not keep it from being read to its end.

    An empty text is a document that holds None.

    Raises:
        TextRefused: a syntax error, or a limit of depth or size.
    """
    composer = _Composer(text)
    try:
        return composer.document(), composer.problems
    except MarkedYAMLError as error:
        raise TextRefused(_syntax_problem(error)) from error
    except ReaderError as error:
        raise TextRefused(_character_problem(text, error)) from error
    except YAMLError as error:
        raise TextRefused(TextProblem(Position(1, 1), (), str(error))) from error


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, text: str) -> None:
        # The pure parser reads as it goes, so that a limit stops it before the whole of a hostile text is read.
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, Node] = {}
        self.problems: list[TextProblem] = []

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                raise _refused(event, (), "a second document starts here: keep one document a file")
            if isinstance(event, DocumentStartEvent) and event.version not in (
                None,
                (1, 2),
            ):
                raise _refused(event, (), "only YAML 1.2 is read: remove the %YAML line")
            if isinstance(event, NodeEvent):
                root = self._node(event, ())
        return root or Node(None, Position(1, 1))

    def _node(self, event: Any, path: tuple[str | int, ...]) -> Node:
        if len(path) > MAX_DEPTH:
            raise _refused(event, path[:3], f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        if event.ctag is not None:
            self._problem(
                event,
                path,
                f"the tag {event.tag!r} is not read: write a plain value (quote it to get text)",
            )
        if isinstance(event, ScalarEvent):
            node = Node(self._scalar(event, path), _position(event))
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, path)
        else:
            node = self._mapping(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, path: tuple[str | int, ...]) -> Node:
        anchor = self._anchors.get(event.anchor)
        if anchor is None:
            # The parser reads on, so a mistyped alias does not hide the mistakes after it.
            self._problem(
                event,
                path,
                f"the alias *{event.anchor} has no anchor &{event.anchor} that ends before it",
            )
            return Node(None, _position(event))
        if len(path) + anchor.depth > MAX_DEPTH:
            raise _refused(
                event,
                path[:3],
                f"nested deeper than {MAX_DEPTH} levels once its aliases are written out",
            )
        return Node(anchor.value, _position(event), anchor.children, anchor.size, anchor.depth)

    def _sequence(self, start: SequenceStartEvent, path: tuple[str | int, ...]) -> Node:
        values: list[object] = []
        sequence = Node(values, _position(start))
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            item = self._node(event, (*path, len(values)))
            self._add(sequence, len(values), item, event)
            values.append(item.value)
        return sequence

    def _mapping(self, start: MappingStartEvent, path: tuple[str | int, ...]) -> Node:
        values: dict[str, object] = {}
        mapping = Node(values, _position(start))
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, path)
            item = self._node(next(self._events), (*path, "?" if key is None else key))
            if key is None:
                continue
            if key in values:
                first = mapping.children[key].position
                reason = f"the key stands twice; it is first on line {first.line}: remove one"
                self._problem(event, (*path, key), reason)
                continue
            self._add(mapping, key, item, event)
            values[key] = item.value
        return mapping

    def _key(self, event: Any, path: tuple[str | int, ...]) -> str | None:
        """The text of a key; None when it is not text, which is noted."""
        node = self._node(event, path)
        if isinstance(event, ScalarEvent) and event.implicit[0] and event.value == "<<":
            self._problem(
                event,
                path,
                "the merge key << is not part of YAML 1.2: write the keys out",
            )
        elif isinstance(node.value, str):
            return node.value
        elif isinstance(event, ScalarEvent):
            self._problem(event, path, f"the key {event.value!r} is not text: put it in quotes")
        else:
            self._problem(
                event,
                path,
                "a key must be text, not a list, a mapping or an alias of one",
            )
        return None

    def _add(self, parent: Node, key: str | int, child: Node, key_event: Any) -> None:
        """Hang a child under its parent at the place of its key, or of itself in a list."""
        parent.children[key] = Node(child.value, _position(key_event), child.children, child.size, child.depth)
        parent.size += child.size
        parent.depth = max(parent.depth, child.depth + 1)
        if parent.size > MAX_NODES:
            raise _refused(
                key_event,
                (),
                f"more than {MAX_NODES:,} values once its aliases are written out",
            )

    def _scalar(self, event: ScalarEvent, path: tuple[str | int, ...]) -> object:
        text: str = event.value
        if _SURROGATE.search(text):
            # JSON, which is YAML too, writes a character beyond U+FFFF as two escaped halves.
            try:
                text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self._problem(event, path, "half of a character (\\uD800 to \\uDFFF): write the whole character")
        if not event.implicit[0] or text == "<<":
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text[0] in "tT"
        number = _number(text)
        if number is None and (_NOT_FINITE.fullmatch(text) or _FLOAT.fullmatch(text)):
            self._problem(
                event,
                path,
                f"{text[:40]!r} is not a number that can be kept: write a finite, shorter one",
            )
        return text if number is None else number

    def _problem(self, event: Any, path: tuple[str | int, ...], reason: str) -> None:
        self.problems.append(TextProblem(_position(event), path, reason))


def _number(text: str) -> int | float | None:
    """The finite number a plain scalar stands for; None when it is none."""
    if len(text) > _MAX_DIGITS:
        return None
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    return None


def _position(event: Any) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _refused(event: Any, path: tuple[str | int, ...], reason: str) -> TextRefused:
    return TextRefused(TextProblem(_position(event), path, reason))


# What the parser says, and what it nearly always means.
_REMEDIES = {
    "'\\t'": "indent with spaces, not tabs",
    "mapping values are not allowed here": "a value with ': ' in it needs quotes, and keys of one level one indent",
    "cannot start any token": "put the value in quotes",
    "could not find expected ':'": "write `key: value`",
    "unexpected end of stream": "a quote is not closed",
    "expected ',' or": "a bracket is not closed, or a comma is missing",
    "expected the node content": "a value is missing here, or a bracket is not closed",
    "expected <block end>": "give the keys of one level one indent",
}


def _syntax_problem(error: MarkedYAMLError) -> TextProblem:
    mark = error.problem_mark or error.context_mark
    position = Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
    said = error.problem or error.context or "cannot be read"
    opened = error.context_mark
    if opened and mark and opened.line != mark.line and error.context:
        said = f"{said} ({error.context} that starts on line {opened.line + 1})"
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words in said), None)
    return TextProblem(position, (), f"{said}: {remedy}" if remedy else said)


def _character_problem(text: str, error: ReaderError) -> TextProblem:
    before = text[: error.position]
    position = Position(before.count("\n") + 1, error.position - before.rfind("\n"))
    # A lone character arrives as its number.
    shown = f"U+{error.character:04X}" if isinstance(error.character, int) else repr(error.character)
    return TextProblem(position, (), f"the character {shown} may not stand in YAML: remove it")
