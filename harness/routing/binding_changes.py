"""What differs between two states of the bindings, and the places a binding can be written for. Pure.

How bindings are written back into a file that people keep is left to `bindings_text.py`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject, canonical_json
from harness.models.catalogue import Catalogue
from harness.names import nearest_names
from harness.routing.bindings import Binding, BindingsFile

_NAME = r"[A-Za-z][\w.-]*"
_PLACE = re.compile(rf"(?:(?P<workflow>{_NAME})(?:/(?P<node>{_NAME}))?:)?(?P<role>{_NAME})")
_NODE = re.compile(rf"(?P<workflow>{_NAME})/(?P<node>{_NAME})")

# What somebody recognises a whole binding, endpoint or model by; the rest is in the file.
_TELLING = frozenset({"model", "fallback", "endpoint", "base_url", "gguf", "gguf_env", "scripted_replies"})

_PLACE_FIELDS = frozenset({"role", "workflow", "node"})


class Subject(StrEnum):
    """What a change is about."""

    BINDING = "binding"
    ENDPOINT = "endpoint"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Change:
    """One binding, endpoint or model that differs.

    Args:
        name: a binding's place, or the catalogue's name.
        before, after: what it says, of a changed one only the fields that differ; None where it is not there.
    """

    subject: Subject
    name: str
    before: JsonObject | None
    after: JsonObject | None

    def __str__(self) -> str:
        if self.before is not None and self.after is not None:
            return f"~ {self.subject} {self.name}: {_shown(self.before)} -> {_shown(self.after)}"
        said = {key: each for key, each in (self.after or self.before or {}).items() if key in _TELLING}
        return f"{'+' if self.before is None else '-'} {self.subject} {self.name}: {_shown(said)}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a role is to be filled; the role is None where the node's own is meant."""

    workflow: str | None
    node: str | None
    role: str | None


def differences(before: BindingsFile, after: BindingsFile) -> tuple[Change, ...]:
    """What somebody who has the one must change to have the other; the order of bindings means nothing."""
    return (
        *_changes(Subject.BINDING, _by_place(before.bindings), _by_place(after.bindings)),
        *_changes(Subject.ENDPOINT, before.endpoints, after.endpoints),
        *_changes(Subject.MODEL, before.models, after.models),
    )


def parse_place(text: str) -> Place:
    """`role`, `workflow:role`, `workflow/node` or `workflow/node:role` as a place.

    Raises:
        NameUnknown: it is none of these.
    """
    found = _NODE.fullmatch(text) or _PLACE.fullmatch(text)
    if found is None:
        raise NameUnknown("place: write ROLE, WORKFLOW:ROLE or WORKFLOW/NODE, not", text)
    parts = found.groupdict()
    return Place(parts["workflow"], parts["node"], parts.get("role"))


def check_models(names: Iterable[str], catalogue: Catalogue) -> None:
    """That each of these models and the endpoints that serve it are in the catalogue.

    Raises:
        NameUnknown: with the nearest names there are.
    """
    for name in names:
        for placed in catalogue.model(name).placed():
            catalogue.endpoint_of(placed)


def check_endpoint(model: str, endpoint: str | None, catalogue: Catalogue) -> None:
    """That an endpoint serves a model; None is any.

    Raises:
        NameUnknown: with the endpoints that do.
    """
    served = [placed.endpoint for placed in catalogue.model(model).placed()]
    if endpoint is not None and endpoint not in served:
        raise NameUnknown(f"endpoint of {model!r}:", endpoint, served)


def known_roles(bindings: BindingsFile, of_workflows: Iterable[str]) -> frozenset[str]:
    """The roles that are bound or that a workflow asks for."""
    return frozenset({*(binding.role for binding in bindings.bindings), *of_workflows})


def unknown_role_hint(role: str, known: Iterable[str]) -> str | None:
    """Words for a role that nothing asks for; None where it is known."""
    names = sorted(known)
    if role in names:
        return None
    near = nearest_names(role, names)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"no workflow of this project asks for a role {role!r}{hint}"


def stated(value: BaseModel) -> JsonObject:
    """What a binding, endpoint or model says beyond its defaults, as JSON in a fixed order."""
    said = value.model_dump(mode="json", exclude_defaults=True)
    if "capabilities" in said:
        said["capabilities"] = sorted(said["capabilities"])
    return said


def _by_place(bindings: Iterable[Binding]) -> dict[str, Binding]:
    return {binding.place: binding for binding in bindings}


def _changes(subject: Subject, before: Mapping[str, BaseModel], after: Mapping[str, BaseModel]) -> Iterable[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        was, is_ = _said(subject, old), _said(subject, new)
        if was is not None and is_ is not None:
            was, is_ = _differing(was, is_), _differing(is_, was)
        yield Change(subject, name, was, is_)


def _said(subject: Subject, value: BaseModel | None) -> JsonObject | None:
    if value is None:
        return None
    said = stated(value)
    # A binding's name says its place already.
    return {key: each for key, each in said.items() if subject is not Subject.BINDING or key not in _PLACE_FIELDS}


def _differing(one: JsonObject, other: JsonObject) -> JsonObject:
    return {key: value for key, value in one.items() if key not in other or other[key] != value}


def _shown(said: Mapping[str, Json]) -> str:
    """In words; what is left out has its default."""
    words = [_field(key, value) for key, value in said.items()]
    return ", ".join(words) or "the default"


def _field(key: str, value: Json) -> str:
    if key == "model":
        return str(value)
    if key == "fallback" and isinstance(value, list):
        return f"else {', '.join(map(str, value))}"
    return f"{key} {value if isinstance(value, str) else canonical_json(value)}"
