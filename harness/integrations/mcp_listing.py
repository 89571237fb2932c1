"""What an MCP server says its tools are: checked, and made fit to be read.

Name, description and schema are text of whoever runs the server: a model reads them beside its instructions. So
what nobody sees is shown or refused here, and lengths are bounded. What was approved of it is `mcp_pins.py`'s;
asking the server is `mcp_session.py`'s. Nothing of MCP's library is needed to read this.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from harness.json_values import Json, JsonObject, canonical_json, digest_of
from harness.workflow.answers import schema_problem
from harness.workflow.visible_text import visible_text

MAX_DESCRIPTION_CHARACTERS = 4_000
MAX_ANNOTATION_CHARACTERS = 1_000
MAX_SCHEMA_BYTES = 100_000

# https://modelcontextprotocol.io/specification/2025-11-25/server/tools#tool-names
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
# What a schema says to readers alone, so that changing it changes no validation.
_FOR_READERS = frozenset({"title", "description", "$comment"})
# What holds values of the arguments, in which `description` is no keyword.
_VALUES = frozenset({"const", "enum", "default", "examples"})
# What holds schemas by names of the author's.
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


@dataclass(frozen=True)
class ListedTool:
    """One tool as its server lists it.

    Args:
        description: as the server wrote it.
        input_schema: as the server wrote it.
        problem: why it cannot be used, in words; None where it can.
    """

    name: str
    description: str
    input_schema: JsonObject
    problem: str | None = None

    @property
    def document(self) -> JsonObject:
        """What a person approves: whatever of it changes, the approval is gone."""
        return {"name": self.name, "description": self.description, "input_schema": self.input_schema}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document's canonical JSON."""
        return digest_of(self.document)

    @property
    def shown_description(self) -> str:
        """For models and people: hidden characters shown, length bounded. It is data, never an instruction."""
        return shown_text(self.description, MAX_DESCRIPTION_CHARACTERS)

    @property
    def shown_schema(self) -> JsonObject:
        """The schema with what it says to readers made fit to be read, the rest untouched."""
        return cast("JsonObject", _for_readers(self.input_schema))


@dataclass(frozen=True, slots=True)
class WrittenTool:
    """A tool in its server's own words, nothing checked."""

    name: str
    description: str
    input_schema: Mapping[str, object]
    output_schema: Mapping[str, object] | None


def listed_tools(written: Sequence[WrittenTool]) -> dict[str, ListedTool]:
    """The tools by name; one that cannot be used says why, and the others are none the worse."""
    times = Counter(tool.name for tool in written)
    return {tool.name: _listed(tool, times[tool.name]) for tool in written}


def shown_text(text: str, limit: int) -> str:
    """Text of a server with its hidden characters shown and its length bounded, what is cut said."""
    shown = visible_text(text[: 2 * limit])
    if len(shown) <= limit and len(text) <= 2 * limit:
        return shown
    return f"{shown[:limit]} [cut: {len(text):,} characters]"


def excerpt(text: str, at: int = 0, *, characters: int = 120) -> str:
    """A short piece of a server's text around a place, in quotes."""
    begins = max(0, at - characters // 3)
    piece = visible_text(text[begins : begins + characters])
    before = "..." if begins else ""
    after = "..." if begins + characters < len(text) else ""
    return f"'{before}{piece}{after}'"


def _listed(tool: WrittenTool, times: int) -> ListedTool:
    try:
        canonical_json(tool.input_schema)
    except (ValueError, TypeError) as error:
        return ListedTool(tool.name, tool.description, {}, f"its input schema is no JSON: {error}")
    schema = cast("JsonObject", tool.input_schema)
    return ListedTool(tool.name, tool.description, schema, _problem(tool, schema, times))


def _problem(tool: WrittenTool, schema: JsonObject, times: int) -> str | None:
    """The first thing that keeps a tool from being used."""
    if not _NAME.fullmatch(tool.name):
        return f"its name {excerpt(tool.name)} is not of 1 to 128 letters, digits, dots, dashes and underscores"
    if times > 1:
        return f"its server lists {times} tools of this name, and which one a call would reach is not known"
    size = len(canonical_json(schema).encode("utf-8", "surrogatepass"))
    if size > MAX_SCHEMA_BYTES:
        return f"its input schema is {size:,} bytes long, and {MAX_SCHEMA_BYTES:,} are allowed"
    if schema.get("type") != "object":
        return "its input schema is not one of an object"
    for which, rules in (("input", schema), ("output", tool.output_schema)):
        if rules is None:
            continue
        wrong = schema_problem(rules)
        if wrong is not None:
            place = ".".join(map(str, wrong.path)) or "its root"
            return f"its {which} schema is no JSON Schema that can be used: {excerpt(place)} {wrong.reason}"
    hidden = next((text for text in _unseen_texts(schema) if visible_text(text) != text), None)
    return None if hidden is None else f"its input schema hides characters in {excerpt(hidden)}"


def _for_readers(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_for_readers(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _keyword_for_readers(key, value) for key, value in schema.items()}


def _keyword_for_readers(key: str, value: Json) -> Json:
    if key in _VALUES:
        return value
    if key in _FOR_READERS and isinstance(value, str):
        return shown_text(value, MAX_ANNOTATION_CHARACTERS)
    if key in _NAMED and isinstance(value, dict):
        return {name: _for_readers(named) for name, named in value.items()}
    return _for_readers(value)


def _unseen_texts(schema: Json) -> Iterator[str]:
    """Every key and text of a schema that `shown_schema` leaves as it is."""
    if isinstance(schema, list):
        for each in schema:
            yield from _unseen_texts(each)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            if key in _NAMED and isinstance(value, dict):
                yield from value
                yield from _unseen_texts(list(value.values()))
            elif key in _VALUES:
                yield from _texts(value)
            elif not (key in _FOR_READERS and isinstance(value, str)):
                yield from _unseen_texts(value)
    else:
        yield from _texts(schema)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
