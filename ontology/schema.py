"""Reading a schema: a YAML file in a readable part of LinkML, resolved and checked.

Classes become object types with what they inherit; a slot whose range is a class becomes a link, any other a
property. What a schema is once it has been read is `object_types`'.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from ontology.exceptions import SchemaInvalid, YamlInvalid
from ontology.linkml import ClassDefinition, SchemaDefinition, SlotDefinition
from ontology.object_types import SCALAR_RANGES, Enumeration, LinkType, ObjectType, Property, Schema
from ontology.yaml_documents import YamlDocument, nearest, parse_yaml, read_yaml, validation_problems

__all__ = ["Enumeration", "LinkType", "ObjectType", "Property", "Schema", "load_schema", "parse_schema"]

_Path = tuple[str | int, ...]


def load_schema(path: Path) -> Schema:
    """Read a schema file.

    Raises:
        SchemaInvalid: with every problem, by file, line, column and key.
        OSError: it cannot be read.
    """
    try:
        return _resolved(read_yaml(path))
    except YamlInvalid as error:
        raise SchemaInvalid(error.problems) from error


def parse_schema(text: str, *, name: str) -> Schema:
    """Read a schema from its text; `name` is what messages call it.

    Raises:
        SchemaInvalid: with every problem, by name, line, column and key.
    """
    try:
        return _resolved(parse_yaml(text, name=name))
    except YamlInvalid as error:
        raise SchemaInvalid(error.problems) from error


def _resolved(document: YamlDocument) -> Schema:
    try:
        written = SchemaDefinition.model_validate(document.value)
    except ValidationError as error:
        raise SchemaInvalid(validation_problems(document, error, SchemaDefinition)) from error
    resolution = _Resolution(written)
    schema = resolution.schema()
    if resolution.problems:
        found = sorted(dict.fromkeys(resolution.problems), key=lambda problem: document.position(problem[0]))
        raise SchemaInvalid([document.problem(path, reason) for path, reason in found])
    return schema


class _Resolution:
    """One pass over a schema as it is written, which notes what is wrong and goes on."""

    def __init__(self, written: SchemaDefinition) -> None:
        self.written = written
        self.problems: list[tuple[_Path, str]] = []

    def schema(self) -> Schema:
        written = self.written
        if written.default_range not in SCALAR_RANGES:
            self._unknown(("default_range",), written.default_range, SCALAR_RANGES)
        for name in written.enums.keys() & written.classes.keys():
            self._problem(("enums", name), "is a class too: give one of them another name")
        return Schema(
            id=written.id,
            name=written.name,
            version=written.version,
            description=written.description,
            prefixes=written.prefixes,
            default_prefix=written.default_prefix,
            types={name: self._object_type(name, each) for name, each in written.classes.items()},
            enumerations={name: self._enumeration(name) for name in written.enums},
        )

    def _enumeration(self, name: str) -> Enumeration:
        written = self.written.enums[name]
        if not written.permissible_values:
            self._problem(("enums", name, "permissible_values"), "is empty: name the words")
        return Enumeration(
            name=name,
            description=written.description,
            exact_mappings=written.exact_mappings,
            values=tuple(written.permissible_values),
        )

    def _object_type(self, name: str, written: ClassDefinition) -> ObjectType:
        path: _Path = ("classes", name)
        self._check_uris(path, "class_uri", [written.class_uri] if written.class_uri else [])
        self._check_uris(path, "exact_mappings", written.exact_mappings)
        ancestors = self._ancestors(name)
        properties: dict[str, Property] = {}
        links: dict[str, LinkType] = {}
        for owner in [*reversed(ancestors), name]:
            for slot_name, slot_path, slot in self._own_slots(owner):
                properties.pop(slot_name, None)
                links.pop(slot_name, None)
                resolved = self._slot(slot_name, slot_path, slot)
                if isinstance(resolved, LinkType):
                    links[slot_name] = resolved
                else:
                    properties[slot_name] = resolved
        abstract = written.abstract or written.mixin
        identity = self._identity([name, *ancestors], properties, links)
        if identity is None and not abstract:
            self._problem(path, "nothing tells its things apart: mark one slot `identifier: true` or add `unique_keys`")
        identity = tuple(key for key in identity or () if key in properties)
        for key in identity:
            properties[key] = properties[key].model_copy(update={"required": True})
        return ObjectType(
            name=name,
            description=written.description,
            exact_mappings=written.exact_mappings,
            class_uri=written.class_uri,
            abstract=abstract,
            ancestors=tuple(ancestors),
            properties=properties,
            links=links,
            identity=identity,
        )

    def _ancestors(self, name: str) -> list[str]:
        """The classes a class inherits from, nearest first; a circle is noted once and cut."""
        found: list[str] = []
        ahead = list(self._parents(name))
        while ahead:
            parent = ahead.pop(0)
            if parent == name:
                self._problem(("classes", name, "is_a"), "inherits from itself: cut the circle")
            elif parent not in found:
                found.append(parent)
                ahead.extend(self._parents(parent))
        return found

    def _parents(self, name: str) -> Iterator[str]:
        written = self.written.classes[name]
        named: list[tuple[_Path, str]] = [(("mixins", at), each) for at, each in enumerate(written.mixins)]
        if written.is_a is not None:
            named.append((("is_a",), written.is_a))  # what a mixin says wins over the parent, as in LinkML
        for path, parent in named:
            if parent in self.written.classes:
                yield parent
            else:
                self._unknown(("classes", name, *path), parent, self.written.classes)

    def _own_slots(self, owner: str) -> Iterator[tuple[str, _Path, SlotDefinition]]:
        written = self.written.classes[owner]
        for at, name in enumerate(written.slots):
            if name in self.written.slots:
                yield name, ("slots", name), self.written.slots[name]
            else:
                self._unknown(("classes", owner, "slots", at), name, self.written.slots)
        for name, slot in written.attributes.items():
            if name in written.slots:
                self._problem(("classes", owner, "attributes", name), "is in `slots` too: keep one of the two")
            yield name, ("classes", owner, "attributes", name), slot

    def _slot(self, name: str, path: _Path, written: SlotDefinition) -> Property | LinkType:
        self._check_uris(path, "slot_uri", [written.slot_uri] if written.slot_uri else [])
        self._check_uris(path, "exact_mappings", written.exact_mappings)
        said = written.model_dump(exclude={"range", "identifier", "inverse"})
        range_ = written.range or self.written.default_range
        if range_ in self.written.classes:
            return LinkType(name=name, range=range_, inverse=written.inverse, **said)
        if written.inverse:
            self._problem((*path, "inverse"), "only a link has an inverse, and this range is not a class: remove it")
        if range_ not in SCALAR_RANGES and range_ not in self.written.enums:
            known = [*self.written.classes, *self.written.enums, *SCALAR_RANGES]
            self._unknown((*path, "range"), range_, known)
        return Property(name=name, range=range_, **said)

    def _identity(
        self, lineage: Sequence[str], properties: dict[str, Property], links: dict[str, LinkType]
    ) -> tuple[str, ...] | None:
        """The identity of the nearest class in a lineage that has one of its own; None when no class has."""
        for owner in lineage:
            keys, path = self._own_identity(owner)
            for key in keys:
                if key in links:
                    self._problem(path, f"{key!r} is a link; an identity is made of properties")
                elif key not in properties:
                    self._unknown(path, key, properties)
                elif properties[key].multivalued:
                    self._problem(path, f"{key!r} can have several values: an identity needs one")
            if keys:
                return keys
        return None

    def _own_identity(self, owner: str) -> tuple[tuple[str, ...], _Path]:
        identifiers = [(name, path) for name, path, slot in self._own_slots(owner) if slot.identifier]
        if len(identifiers) > 1:
            path = ("classes", owner)
            self._problem(path, "has two identifiers: keep one, or name both in one of `unique_keys`")
        if identifiers:
            name, path = identifiers[0]
            return (name,), path
        unique_keys = self.written.classes[owner].unique_keys
        if len(unique_keys) > 1:
            self._problem(("classes", owner, "unique_keys"), "has several: keep the one that tells things apart")
        for name, unique_key in unique_keys.items():
            path = ("classes", owner, "unique_keys", name, "unique_key_slots")
            if not unique_key.unique_key_slots:
                self._problem(path, "is empty: name the slots")
            return unique_key.unique_key_slots, path
        return (), ("classes", owner)

    def _check_uris(self, path: _Path, key: str, uris: Iterable[str]) -> None:
        for uri in uris:
            prefix, colon, _ = uri.partition(":")
            if not colon:
                self._problem((*path, key), f"{uri!r} is no IRI: write it out, or as `prefix:name`")
            elif "//" not in uri and prefix != "urn" and prefix not in self.written.prefixes:
                self._problem((*path, key), f"the prefix {prefix!r} is not declared: add it under `prefixes`")

    def _unknown(self, path: _Path, name: str, known: Iterable[str]) -> None:
        self._problem(path, f"{name!r} is not known; {nearest(name, list(known))}")

    def _problem(self, path: _Path, reason: str) -> None:
        self.problems.append((path, reason))
