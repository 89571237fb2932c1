"""The part of LinkML that a schema file may use, as it is written.

Every file in this form is a valid LinkML schema. What the parts mean together is left to `schema`.

Source: https://w3id.org/linkml/meta
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


def _nothing_said(value: object) -> object:
    """`name:` with nothing after it is a definition that says nothing more."""
    return {} if value is None else value


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    description: str = ""
    exact_mappings: tuple[str, ...] = ()


class SlotDefinition(_Written):
    """A property, or a link when its range is a class."""

    range: str | None = None
    required: bool = False
    multivalued: bool = False
    identifier: bool = False
    slot_uri: str = ""
    inverse: str = ""


class PermissibleValue(_Written):
    """One word of an enumeration."""

    meaning: str = ""


class EnumDefinition(_Written):
    """A closed list of words."""

    permissible_values: dict[str, Annotated[PermissibleValue, BeforeValidator(_nothing_said)]]


class UniqueKey(_Written):
    """Slots whose values together tell one thing from another."""

    unique_key_slots: tuple[str, ...]


class ClassDefinition(_Written):
    """A kind of thing; `slots` are named in the file's own list, `attributes` belong to this class alone."""

    is_a: str | None = None
    mixins: tuple[str, ...] = ()
    mixin: bool = False
    abstract: bool = False
    class_uri: str = ""
    slots: tuple[str, ...] = ()
    attributes: dict[Name, Annotated[SlotDefinition, BeforeValidator(_nothing_said)]] = {}
    unique_keys: dict[Name, UniqueKey] = {}


class SchemaDefinition(BaseModel):
    """A schema file."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: str
    name: Name
    version: str = "0"
    title: str = ""
    description: str = ""
    license: str = ""
    prefixes: dict[str, str] = {}
    default_prefix: str = ""
    default_range: str = "string"
    imports: tuple[Literal["linkml:types"], ...] = ()
    enums: dict[Name, EnumDefinition] = {}
    slots: dict[Name, Annotated[SlotDefinition, BeforeValidator(_nothing_said)]] = {}
    classes: dict[Name, Annotated[ClassDefinition, BeforeValidator(_nothing_said)]]
