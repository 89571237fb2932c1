"""What things are: types from a schema, entities, and what is asserted about them, by whom and when.

Useful alone. What is remembered in words is left to `memory`; who calls models to fill an ontology, to `harness`.
"""

from ontology.entities import (
    AsOf,
    Assertion,
    Batch,
    Entity,
    Link,
    PropertyValue,
    Provenance,
    Statement,
    Written,
    derive_entity_id,
)
from ontology.entity_store import EntityStore
from ontology.exceptions import OntologyError
from ontology.object_types import Enumeration, LinkType, ObjectType, Property, Schema
from ontology.patterns import LinkPattern, Pattern
from ontology.query import Answer, Answers, ask, parse_query
from ontology.schema import load_schema, parse_schema
from ontology.validation import entity_problems, identified_entity, link_problems

__all__ = [
    "Answer",
    "Answers",
    "AsOf",
    "Assertion",
    "Batch",
    "Entity",
    "EntityStore",
    "Enumeration",
    "Link",
    "LinkPattern",
    "LinkType",
    "ObjectType",
    "OntologyError",
    "Pattern",
    "Property",
    "PropertyValue",
    "Provenance",
    "Schema",
    "Statement",
    "Written",
    "ask",
    "derive_entity_id",
    "entity_problems",
    "identified_entity",
    "link_problems",
    "load_schema",
    "parse_query",
    "parse_schema",
]
