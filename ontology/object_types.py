"""A schema with everything resolved: object types, their properties and links, enumerations.

How a schema is written in a file, and what can be wrong in one, is left to `linkml` and `schema`.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

# The types of LinkML (https://w3id.org/linkml/types) that a property may have; each is an XSD type.
ScalarRange = Literal[
    "string", "integer", "float", "double", "decimal", "boolean", "date", "datetime", "uri", "uriorcurie"
]
SCALAR_RANGES: tuple[str, ...] = get_args(ScalarRange)


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str
    description: str = ""
    exact_mappings: tuple[str, ...] = ()


class Enumeration(_Definition):
    """A closed list of words that a property can have."""

    values: tuple[str, ...]


class Property(_Definition):
    """What a thing has: a value of a scalar type, or a word of an enumeration.

    Attributes:
        range: one of `SCALAR_RANGES`, or the name of an enumeration.
        multivalued: whether several values can hold at one time.
    """

    range: str
    required: bool = False
    multivalued: bool = False
    slot_uri: str = ""


class LinkType(_Definition):
    """How a thing stands to another.

    Attributes:
        range: the object type at the other end; its subtypes are meant too.
        inverse: what the link is called seen from the other end; "" when it has no name.
    """

    range: str
    required: bool = False
    multivalued: bool = False
    slot_uri: str = ""
    inverse: str = ""


class ObjectType(_Definition):
    """A kind of thing, with what it inherits.

    Attributes:
        abstract: whether nothing is of this type alone.
        ancestors: the types it is a kind of, nearest first.
        identity: the properties whose values tell one thing of this type from another.
    """

    class_uri: str = ""
    abstract: bool = False
    ancestors: tuple[str, ...] = ()
    properties: Mapping[str, Property] = {}
    links: Mapping[str, LinkType] = {}
    identity: tuple[str, ...] = ()


class Schema(BaseModel):
    """What kinds of things there are, under a name and a version."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: str
    name: str
    version: str
    description: str = ""
    prefixes: Mapping[str, str] = {}
    default_prefix: str = ""
    types: Mapping[str, ObjectType]
    enumerations: Mapping[str, Enumeration] = {}

    @cached_property
    def canonical(self) -> str:
        """The schema as JSON that does not depend on the order or layout of its file."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def is_kind_of(self, name: str, other: str) -> bool:
        """Whether a type is another, or inherits from it."""
        return name == other or (name in self.types and other in self.types[name].ancestors)

    def kinds_of(self, name: str) -> tuple[str, ...]:
        """A type and all that inherit from it, in alphabetical order."""
        return tuple(sorted(each for each in self.types if self.is_kind_of(each, name)))

    @cached_property
    def property_names(self) -> tuple[str, ...]:
        """The names of the properties of all types, in alphabetical order."""
        return tuple(sorted({name for each in self.types.values() for name in each.properties}))

    @cached_property
    def link_names(self) -> tuple[str, ...]:
        """The names of the links of all types, in alphabetical order."""
        return tuple(sorted({name for each in self.types.values() for name in each.links}))
