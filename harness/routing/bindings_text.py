# pyright: reportUnknownMemberType=false
# ruamel.yaml has types for half of what it does.
"""Bindings as the YAML that people keep: written anew, or put into a file they have, with its comments.

A file is edited by its lines: what did not change keeps every byte, what changed is written anew in its place, and
the result is read again before anybody gets it. A layout that lines cannot carry (a flow mapping over everything,
anchors) is written anew whole, and said to be.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.representer import RoundTripRepresenter

from harness.exceptions import SpecificationInvalid
from harness.routing.binding_changes import differences
from harness.routing.bindings import BindingsFile
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, parse_yaml, validation_problems

_SECTIONS = ("bindings", "endpoints", "models")
_ONE_LINE = 110
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BindingsText:
    """A bindings file's text.

    Args:
        kept_comments: whether every comment of the file that was there is in it; one inside an entry that was
            written anew or taken out is not.
        only_in_file: endpoints and models of that file that are not in force and were left in it.
    """

    text: str
    kept_comments: bool = True
    only_in_file: tuple[str, ...] = ()


def read_bindings_text(text: str, *, name: str) -> tuple[BindingsFile, YamlDocument]:
    """The bindings that a text says, whatever the catalogue says of their models; an empty text says none.

    Raises:
        SpecificationInvalid: with every problem by line, column and key.
    """
    try:
        document = parse_yaml(text, name=name)
    except YamlInvalid as error:
        raise SpecificationInvalid(error.problems) from error
    try:
        return BindingsFile.model_validate({} if document.value is None else document.value), document
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, BindingsFile)) from error


def bindings_text(bindings: BindingsFile) -> str:
    """Bindings written anew."""
    said = {key: value for key, value in _plain(bindings).items() if value}
    lines: list[str] = []
    for section in _SECTIONS:
        if section in said:
            lines += _section(section, said[section])
    return "".join(f"{line}\n" for line in lines or ["bindings: []"])


def bindings_put_into(existing: str, bindings: BindingsFile, *, name: str) -> BindingsText:
    """A file's text with what is in force in it.

    Bindings are made those in force. Endpoints and models that only the file has stay there, so that writing back
    never loses one that was not applied yet.

    Raises:
        SpecificationInvalid: the file that is there cannot be read.
    """
    if not existing.strip():
        return BindingsText(bindings_text(bindings))
    there, document = read_bindings_text(existing, name=name)
    endpoints = {key: value for key, value in there.endpoints.items() if key not in bindings.endpoints}
    models = {key: value for key, value in there.models.items() if key not in bindings.models}
    wanted = bindings.model_copy(
        update={"endpoints": {**bindings.endpoints, **endpoints}, "models": {**bindings.models, **models}}
    )
    only = tuple([f"endpoint {key}" for key in sorted(endpoints)] + [f"model {key}" for key in sorted(models)])
    edited = _edited(existing, document, there, wanted)
    text = edited if edited is not None and _says(edited, wanted) else bindings_text(wanted)
    assert _says(text, wanted), "what was written does not read back as it is"
    return BindingsText(text, all(comment in text for comment in _COMMENT.findall(existing)), only)


def _says(text: str, wanted: BindingsFile) -> bool:
    try:
        return not differences(read_bindings_text(text, name="written")[0], wanted)
    except SpecificationInvalid:
        return False


@dataclass(frozen=True, slots=True)
class _Entry:
    """A binding, endpoint or model in a file: its lines (from 0, the end excluded), and how far it is indented."""

    start: int
    end: int
    column: int


def _edited(existing: str, document: YamlDocument, there: BindingsFile, wanted: BindingsFile) -> str | None:
    """The file with its changed entries replaced; None where its layout cannot be edited so."""
    lines = existing.split("\n")
    old, new = _plain(there), _plain(wanted)
    # From the last section up, so that the line numbers of those above stay right.
    present = [key for key in _SECTIONS if key in document.root.children]
    for section in sorted(present, key=lambda key: document.position((key,)).line, reverse=True):
        if old[section] == new[section]:
            continue
        entries = _entries(lines, document, section)
        if entries is None:
            return None
        _edit_section(lines, entries, _keyed(old[section]), _keyed(new[section]))
    for section in _SECTIONS:
        if section not in present and new[section]:
            lines = [*_without_last_blank(lines), "", *_section(section, new[section]), ""]
    return "\n".join(lines)


def _entries(lines: Sequence[str], document: YamlDocument, section: str) -> list[_Entry] | None:
    """Where a section's entries stand, each from its own line; None where two share one or it has none."""
    node = document.root.children[section]
    positions = [child.position for child in node.children.values()]
    following = [each.position.line - 1 for each in document.root.children.values() if each.position > node.position]
    starts = [position.line - 1 for position in positions]
    if not starts or len(set(starts)) != len(starts) or starts[0] <= node.position.line - 1:
        return None
    marker = r"\s*- +" if section == "bindings" else r"\s*"
    if not all(re.fullmatch(marker, lines[position.line - 1][: position.column - 1]) for position in positions):
        return None
    ends = [*starts[1:], min(following, default=len(lines))]
    column = len(lines[starts[0]]) - len(lines[starts[0]].lstrip())
    return [_Entry(start, _last_line(lines, start, end), column) for start, end in zip(starts, ends, strict=True)]


def _last_line(lines: Sequence[str], start: int, end: int) -> int:
    """Blank lines and comments at an entry's end belong to what follows."""
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _edit_section(lines: list[str], entries: Sequence[_Entry], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    added = [key for key in new if key not in old]
    last = entries[-1]
    pad = " " * last.column
    lines[last.end : last.end] = [pad + line for key in added for line in _entry(key, new[key])]
    for entry, key in reversed(list(zip(entries, old, strict=True))):
        if key not in new:
            del lines[entry.start : entry.end]
        elif new[key] != old[key]:
            swapped = _model_swapped(lines[entry.start : entry.end], old[key], new[key])
            written = swapped or [" " * entry.column + line for line in _entry(key, new[key])]
            lines[entry.start : entry.end] = written


def _model_swapped(lines: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str] | None:
    """A binding's lines with another model in them, and nothing else touched; None where more than that changed."""
    if "role" not in old or {**old, "model": ""} != {**new, "model": ""}:
        return None
    pattern = re.compile(rf"""(\bmodel:\s+)(["']?){re.escape(str(old["model"]))}\2(?=\s*(?:[,}}#]|$))""", re.MULTILINE)
    text, count = pattern.subn(lambda match: match[1] + _scalar(str(new["model"])), "\n".join(lines))
    return text.split("\n") if count == 1 else None


def _without_last_blank(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept


def _keyed(section: Any) -> dict[str, Any]:
    if isinstance(section, dict):
        return dict(section)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return {str([each.get(part) for part in ("workflow", "node", "role")]): each for each in section}


def _section(section: str, entries: Any) -> list[str]:
    return [f"{section}:", *("  " + line for key, each in _keyed(entries).items() for line in _entry(key, each))]


def _entry(key: str, entry: Any) -> list[str]:
    """One entry's lines: on a single one where it is short, else a block."""
    binding = "role" in entry
    shown = [entry] if binding else {key: entry}
    short = _dumped(_flow(entry)).strip()
    if binding or len(short) + len(key) < _ONE_LINE:
        flow = _flow(entry)
        shown = [flow] if binding else {key: flow}
    return dedent(_dumped(shown)).rstrip("\n").split("\n")


def _flow(entry: Mapping[str, Any]) -> CommentedMap:
    mapping = CommentedMap(entry)
    mapping.fa.set_flow_style()
    return mapping


def _scalar(text: str) -> str:
    return _dumped(_flow({"x": text})).strip().removeprefix("{x: ").removesuffix("}")


def _plain(value: Any) -> Any:
    """What is said beyond the defaults, as values that YAML has."""
    if isinstance(value, BindingsFile):
        return {section: _plain(getattr(value, section)) for section in _SECTIONS}
    if isinstance(value, BaseModel):
        return {key: _plain(each) for key, each in value.model_dump(exclude_defaults=True).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, frozenset):
        return sorted(_plain(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value.value if isinstance(value, Enum) else value


def _dumped(value: Any) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.Representer = _Representer
    buffer = io.StringIO()
    yaml.dump(value, buffer)
    return buffer.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes decimal numbers as numbers where that loses no digit, else as text."""

    def represent_decimal(self, value: Decimal) -> Any:
        text = f"{value:f}"
        exact = "." in text and Decimal(repr(float(text))) == value
        return self.represent_scalar("tag:yaml.org,2002:float" if exact else "tag:yaml.org,2002:str", text)


_Representer.add_representer(Decimal, _Representer.represent_decimal)
