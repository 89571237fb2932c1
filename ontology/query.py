"""A small language for asking the entity store, made for a command line.

    Package                                            every package
    Package name=requests                              whose name is that
    Package license_count=2 ~http                      and in whose text "http" stands
    Package ->has_license License spdx=MIT             that have a licence, which is MIT
    Obligation <-imposes License <-has_license Package name=requests
                                                       duties imposed by the licences of that package

The first step says what is asked for; each further one what it must be linked to, `->` along the link and `<-`
against it. A step is a type (or `*`) and conditions, which must all hold; the same property twice means either
value. Values with spaces stand in double quotes; a quoted value is always text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from ontology.entities import NOW, AsOf, Entity, Link, PropertyValue, is_storable
from ontology.entity_store import EntityStore
from ontology.exceptions import QueryInvalid
from ontology.object_types import Schema
from ontology.patterns import MAX_STEPS, Direction, LinkPattern, Pattern
from ontology.yaml_documents import nearest

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(
    rf"""\s*(?:
        (?P<arrow>->|<-)\s*(?P<link>[A-Za-z]\w*)
      | (?P<property>[A-Za-z]\w*)=(?P<value>{_QUOTED}|[^\s"]+)
      | ~(?P<text>{_QUOTED}|[^\s"]+)
      | (?P<type>\*|[A-Za-z]\w*+(?!=))
    )""",
    re.VERBOSE,
)


class LinkedEntity(BaseModel):
    """A link of an answer, and what stands at its other end."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    direction: Direction
    link: Link
    other_id: str
    other_type: str
    other_name: str


class Answer(BaseModel):
    """One entity that fits, with its links."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    entity: Entity
    links: tuple[LinkedEntity, ...] = ()


class Answers(BaseModel):
    """The entities that fit, by type, name and identifier; `more` says that the limit left some out."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    answers: tuple[Answer, ...]
    more: bool


def ask(store: EntityStore, organisation: str, pattern: Pattern, *, as_of: AsOf = NOW, limit: int = 50) -> Answers:
    """The entities of an organisation that fit a pattern, each with the links that leave and reach it."""
    found = store.entities(organisation, pattern, as_of=as_of, limit=limit + 1)
    shown = found[:limit]
    ids = [entity.entity_id for entity in shown]
    edges: list[tuple[Direction, Link]] = [
        (direction, link)
        for direction in _DIRECTIONS
        for link in store.links(organisation, ids, direction=direction, as_of=as_of)
    ]
    others = store.entities_by_id(organisation, sorted({_other_end(*edge) for edge in edges}), as_of)
    linked: dict[str, list[LinkedEntity]] = {}
    for direction, link in edges:
        other = others.get(_other_end(direction, link))
        if other is not None:
            near = link.subject_id if direction == "out" else link.object_id
            linked.setdefault(near, []).append(
                LinkedEntity(
                    direction=direction,
                    link=link,
                    other_id=other.entity_id,
                    other_type=other.type,
                    other_name=other.name,
                )
            )
    answers = tuple(Answer(entity=each, links=tuple(linked.get(each.entity_id, ()))) for each in shown)
    return Answers(answers=answers, more=len(found) > limit)


def parse_query(text: str, schema: Schema | None = None) -> Pattern:
    """Read a query; with a schema, its names are checked and a type means its subtypes too.

    Raises:
        QueryInvalid: at which column, and what would mend it.
    """
    steps = list(_steps(text))
    if len(steps) > MAX_STEPS + 1:
        raise QueryInvalid(text, steps[-1].column, f"follows more than {MAX_STEPS} links: ask in parts")
    if schema is not None:
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            _check(text, schema, step, following)
    pattern: Pattern | None = None
    for step, following in zip(reversed(steps), [None, *reversed(steps)], strict=False):
        links: tuple[LinkPattern, ...] = ()
        if following is not None and pattern is not None:
            links = (LinkPattern(types=(following.link,), direction=following.direction, other=pattern),)
        types = () if step.type is None else (step.type,) if schema is None else schema.kinds_of(step.type)
        values = {name: tuple(each) for name, each in step.values.items()}
        pattern = Pattern(types=types, values=values, text=" ".join(step.words), links=links)
    assert pattern is not None  # there is always a first step
    return pattern


def _other_end(direction: Direction, link: Link) -> str:
    return link.object_id if direction == "out" else link.subject_id


_DIRECTIONS: tuple[Direction, ...] = ("out", "in")


@dataclass
class _Step:
    """One step as it is written; `link` and `direction` say how the step before leads here."""

    column: int
    link: str = ""
    link_column: int = 1
    direction: Direction = "out"
    type: str | None = None
    conditioned: bool = False
    typed: bool = False
    values: dict[str, list[PropertyValue]] = field(default_factory=dict[str, list[PropertyValue]])
    words: list[str] = field(default_factory=list[str])
    columns: dict[str, int] = field(default_factory=dict[str, int])


def _steps(text: str) -> Iterator[_Step]:
    step = _Step(column=1)
    for token in _tokens(text):
        kind = token.lastgroup
        if kind == "link":
            yield step
            direction: Direction = "out" if token["arrow"] == "->" else "in"
            column = token.start("arrow") + 1
            step = _Step(column, token["link"], token.start("link") + 1, direction)
        elif kind == "type":
            _set_type(text, step, token)
        elif kind == "value":
            step.conditioned = True
            step.columns.setdefault(token["property"], token.start("property") + 1)
            step.values.setdefault(token["property"], []).extend(_readings(text, token))
        else:
            step.conditioned = True
            step.words.append(_unquoted(text, token["text"], token.start("text") + 1))
    yield step


def _tokens(text: str) -> Iterator[re.Match[str]]:
    bad = next((at for at, character in enumerate(text) if not is_storable(character)), None)
    if bad is not None:
        raise QueryInvalid(text, bad + 1, "a character that no database keeps: remove it")
    at = 0
    end = len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise QueryInvalid(text, column, _hint(text[column - 1 :]))
        yield token
        at = token.end()


def _hint(rest: str) -> str:
    if rest.startswith(("->", "<-")):
        return "an arrow is followed by the name of a link: `->has_license`"
    if '"' in rest.split(maxsplit=1)[0]:
        return 'a quote is not closed, or text follows it: write `name="a b"`'
    if re.match(r"[A-Za-z]\w*=", rest):
        return "a value is missing: write `name=value`"
    return "expected a type, `name=value`, `~word`, `->link` or `<-link`"


def _set_type(text: str, step: _Step, token: re.Match[str]) -> None:
    column = token.start("type") + 1
    if step.typed or step.conditioned:
        raise QueryInvalid(
            text, column, f"{token['type']!r}: a type stands once, first in its step; write `name=value`"
        )
    step.typed = True
    step.column = column
    step.type = None if token["type"] == "*" else token["type"]


def _readings(text: str, token: re.Match[str]) -> Iterator[PropertyValue]:
    """What a value can mean: text, and unquoted also the number or truth value it spells."""
    written = token["value"]
    if written.startswith('"'):
        yield _unquoted(text, written, token.start("value") + 1)
        return
    yield written
    if written in {"true", "false"}:
        yield written == "true"
    if re.fullmatch(r"-?[0-9]{1,18}", written):
        yield int(written)
    if re.fullmatch(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", written):
        yield float(written)


def _unquoted(text: str, written: str, column: int) -> str:
    if not written.startswith('"'):
        return written
    try:
        value = str(json.loads(written))
    except json.JSONDecodeError as error:
        raise QueryInvalid(text, column + error.pos, "not a text in JSON's quotes: write \\\\ for \\") from error
    if not is_storable(value):
        raise QueryInvalid(text, column, "a character that no database keeps: remove it")
    return value


def _check(text: str, schema: Schema, step: _Step, following: _Step | None) -> None:
    """That the names in a step, and of the link that leads on from it, are the schema's."""
    if step.type is not None and step.type not in schema.types:
        reason = f"{step.type!r} is no type of {schema.name!r}; {nearest(step.type, list(schema.types))}"
        raise QueryInvalid(text, step.column, reason)
    kinds = list(schema.types) if step.type is None else schema.kinds_of(step.type)
    known = list(dict.fromkeys(name for kind in kinds for name in schema.types[kind].properties))
    for name, column in step.columns.items():
        if name not in known:
            raise QueryInvalid(
                text, column, f"{name!r} is no property of {step.type or 'any type'}; {nearest(name, known)}"
            )
    if following is None:
        return
    subject = step if following.direction == "out" else following
    links = _links_of(schema, subject.type)
    if following.link not in links:
        owner = subject.type or "any type"
        reason = f"{following.link!r} is no link of {owner}; {nearest(following.link, links)}"
        raise QueryInvalid(text, following.link_column, reason)


def _links_of(schema: Schema, type_name: str | None) -> list[str]:
    known: Iterable[str] = schema.types if type_name is None else schema.kinds_of(type_name)
    return list(dict.fromkeys(name for kind in known for name in schema.types[kind].links))
