"""Reading a schema: what it says when it is right, and where it is wrong."""

from pathlib import Path

import pytest

from ontology.exceptions import SchemaInvalid
from ontology.schema import load_schema, parse_schema

FILE = Path(__file__).with_name("licences.yaml")

HEAD = "id: https://example.org/s\nname: s\nprefixes: {ex: https://example.org/}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(SchemaInvalid) as caught:
        parse_schema(text, name="s.yaml")
    return list(caught.value.problems)


def test_classes_become_types_with_what_they_inherit() -> None:
    schema = load_schema(FILE)

    plugin = schema.types["Plugin"]
    assert plugin.ancestors == ("Package", "Named")
    assert plugin.identity == ("name", "version")
    assert list(plugin.links) == ["has_license", "depends_on"]
    assert plugin.links["has_license"].range == "License"
    assert plugin.links["has_license"].inverse == "license_of"
    assert plugin.properties["name"].slot_uri == "schema:name"
    assert plugin.properties["keyword"].multivalued
    assert plugin.properties["version"].required  # it is part of the identity
    assert not plugin.properties["score"].required
    assert schema.types["Package"].class_uri == "spdx:Package"
    assert schema.types["License"].identity == ("spdx",)
    assert schema.types["Named"].abstract
    assert schema.enumerations["Strength"].values == ("permissive", "weak_copyleft", "strong_copyleft")
    assert schema.kinds_of("Named") == ("License", "Named", "Package", "Plugin")
    assert schema.is_kind_of("Plugin", "Named")
    assert not schema.is_kind_of("Named", "Plugin")


def test_the_digest_follows_the_meaning_and_not_the_layout() -> None:
    one = parse_schema(HEAD + "classes: {A: {attributes: {k: {identifier: true}, n: {range: integer}}}}", name="one")
    same = parse_schema(
        HEAD + "# words\nclasses:\n  A:\n    attributes:\n      n: {range: integer}\n      k: {identifier: true}\n",
        name="another",
    )
    other = parse_schema(HEAD + "classes: {A: {attributes: {k: {identifier: true}, n: {range: float}}}}", name="one")

    assert one.digest == same.digest
    assert one.digest != other.digest
    assert len(one.digest) == 64
    assert load_schema(FILE).version == "1"


def test_a_class_may_redefine_what_it_inherits() -> None:
    schema = parse_schema(
        HEAD
        + "classes:\n  A: {attributes: {k: {identifier: true}, other: {range: string}}}\n"
        + "  M: {mixin: true, attributes: {seen: {range: date}}}\n"
        + "  B: {is_a: A, mixins: [M], attributes: {other: {range: A}}}\n",
        name="s",
    )

    assert list(schema.types["B"].links) == ["other"]
    assert list(schema.types["B"].properties) == ["k", "seen"]
    assert schema.types["B"].ancestors == ("M", "A")
    assert list(schema.types["A"].properties) == ["k", "other"]


def test_every_mistake_is_told_by_line_column_and_key() -> None:
    text = (
        HEAD
        + """\
enums:
  Empty: {permissible_values: {}}
  A: {permissible_values: {x: }}
slots:
  shared: {range: strng}
classes:
  A:
    is_a: Bse
    slots: [shard]
    attributes:
      k: {identifier: true}
      owner: {range: B, slot_uri: exx:owner}
      note: {inverse: of}
  B:
    is_a: C
    slots: [shared]
    unique_keys:
      main: {unique_key_slots: [nam]}
  C:
    is_a: B
  D:
    class_uri: nonsense
"""
    )
    assert problems(text) == [
        "s.yaml:5:11: enums.Empty.permissible_values: is empty: name the words",
        "s.yaml:6:3: enums.A: is a class too: give one of them another name",
        "s.yaml:8:12: slots.shared.range: 'strng' is not known; did you mean 'string'?",
        "s.yaml:11:5: classes.A.is_a: 'Bse' is not known; known here: A, B, C, D",
        "s.yaml:12:13: classes.A.slots[0]: 'shard' is not known; did you mean 'shared'?",
        "s.yaml:15:25: classes.A.attributes.owner.slot_uri: the prefix 'exx' is not declared: add it under `prefixes`",
        (
            "s.yaml:16:14: classes.A.attributes.note.inverse: "
            "only a link has an inverse, and this range is not a class: remove it"
        ),
        "s.yaml:18:5: classes.B.is_a: inherits from itself: cut the circle",
        "s.yaml:21:14: classes.B.unique_keys.main.unique_key_slots: 'nam' is not known; known here: shared",
        "s.yaml:23:5: classes.C.is_a: inherits from itself: cut the circle",
        "s.yaml:24:3: classes.D: nothing tells its things apart: mark one slot `identifier: true` or add `unique_keys`",
        "s.yaml:25:5: classes.D.class_uri: 'nonsense' is no IRI: write it out, or as `prefix:name`",
    ]


def test_an_unknown_key_is_answered_with_the_nearest_and_a_syntax_error_with_its_place() -> None:
    assert problems(HEAD + "classes:\n  A: {attribute: {}}\n") == [
        "s.yaml:5:7: classes.A.attribute: unknown key; did you mean 'attributes'?"
    ]
    assert problems("id: x\nid: y\n") == ["s.yaml:2:1: id: the key stands twice; it is first on line 1: remove one"]
    assert problems("") == ["s.yaml:1:1: Input should be a valid dictionary or instance of SchemaDefinition, not None"]
    (problem,) = problems(HEAD + "classes:\n  a b: {}\n")
    assert problem.startswith("s.yaml:5:3: classes.a b: ")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{attributes: {k: {identifier: true}, l: {identifier: true}}}", "has two identifiers"),
        ("{attributes: {k: }, unique_keys: {a: {unique_key_slots: [k]}, b: {unique_key_slots: [k]}}}", "has several"),
        ("{attributes: {k: {multivalued: true, identifier: true}}}", "can have several values"),
        ("{attributes: {k: {range: A, identifier: true}}}", "is a link; an identity is made of properties"),
        ("{unique_keys: {a: {unique_key_slots: []}}}", "is empty: name the slots"),
        ("{slots: [k], attributes: {k: {identifier: true}}}", "is in `slots` too"),
    ],
)
def test_an_identity_that_tells_nothing_apart_is_refused(body: str, reason: str) -> None:
    assert any(reason in problem for problem in problems(f"{HEAD}slots: {{k: }}\nclasses:\n  A: {body}\n"))


def test_a_circle_of_any_length_ends(tmp_path: Path) -> None:
    path = tmp_path / "circle.yaml"
    classes = "".join(f"  C{n}: {{is_a: C{(n + 1) % 50}}}\n" for n in range(50))
    path.write_text(f"{HEAD}classes:\n{classes}")

    with pytest.raises(SchemaInvalid, match=rf"{path}:5:8: classes\.C0\.is_a: inherits from itself"):
        load_schema(path)
