"""Checkpoints carry plain JSON and listed types; whatever else somebody wrote stays data or is refused, and runs nothing."""

import json
import pickle
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.types import Interrupt, Overwrite, Send
from pydantic import BaseModel

from harness.exceptions import StateRefused
from harness.storage.checkpoint_saver import GRAPH_TYPES
from harness.storage.checkpoint_serializer import CheckpointSerializer, TaggedType, versioned_model

SERIALIZER = CheckpointSerializer(GRAPH_TYPES)

# Keys and texts that look like our own marks are as likely as others.
_texts = st.sampled_from(["$", "v", "plain", "set", "langgraph.send", "\0", "\ud800", "é"]) | st.text()
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=20,
)


@given(_json)
def test_any_json_comes_back_as_it_was_even_if_it_looks_like_a_tag(value):
    text = SERIALIZER.dumps(value, where="state")

    text.encode()  # every database takes it
    assert SERIALIZER.loads(text) == value


def test_is_a_serializer_for_langgraph():
    assert isinstance(SERIALIZER, SerializerProtocol)
    assert SERIALIZER.loads_typed(SERIALIZER.dumps_typed({"a": [1]})) == {"a": [1]}


@pytest.mark.parametrize(
    "value",
    [
        Send("review", {"package": "numpy", "$": "set"}),
        Send("review", [1], timeout=2.5),
        [Interrupt("may I?", "id-1"), Interrupt({"q": 1}, "id-2", response_schema={"type": "string"})],
        Overwrite(["x"]),
        {"a", "b"},
    ],
)
def test_the_graphs_own_types_come_back(value):
    back = SERIALIZER.loads(SERIALIZER.dumps(value, where="state"))

    assert back == value
    assert type(back) is type(value)


class Colour(StrEnum):
    RED = "red"


class Pair(NamedTuple):
    first: int
    second: int


class Point(BaseModel):
    x: int


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"bytes", "bytes"),
        (datetime(2026, 1, 1, tzinfo=UTC), "datetime"),
        (Path("/etc"), "PosixPath"),
        (Colour.RED, "Colour"),
        (Pair(1, 2), "Pair"),
        (Point(x=1), "Point"),
        (HumanMessage("hi"), "HumanMessage"),
        (ValueError("x"), "ValueError"),
        ({1: "a"}, "key of type int"),
        ({1, 2}, "set of int"),
        (len, "builtin_function_or_method"),
    ],
)
def test_another_type_is_refused_with_its_place(value, named):
    with pytest.raises(StateRefused) as refused:
        SERIALIZER.dumps({"findings": [0, {"at": value}]}, where="state")

    assert refused.value.where == "state.findings.1.at"
    assert named in refused.value.type_name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**5000], ids=["nan", "infinite", "huge"])
def test_a_number_that_json_does_not_have_is_refused(value):
    with pytest.raises(StateRefused):
        SERIALIZER.dumps(value, where="state")


def test_a_value_nested_without_end_is_refused():
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(StateRefused, match="nested"):
        SERIALIZER.dumps(endless, where="state")


def _msgpack_that_makes(folder: Path) -> bytes:
    """What langgraph's stock serializer, at its defaults, turns into a call of os.mkdir."""
    call = ormsgpack.packb(("os", "mkdir", str(folder)))
    return ormsgpack.packb({"state": ormsgpack.Ext(0, call)})


def test_typed_msgpack_and_pickles_are_refused_unread(tmp_path):
    folder = tmp_path / "made"
    for kind, data in [
        ("msgpack", _msgpack_that_makes(folder)),
        ("json", _msgpack_that_makes(folder)),
        ("pickle", pickle.dumps({"a": 1})),
        ("bytes", b"x"),
        ("null", b""),
    ]:
        with pytest.raises(StateRefused):
            SERIALIZER.loads_typed((kind, data))
    assert not folder.exists()


@pytest.mark.parametrize("version", [1, 2])
def test_objects_of_langchain_stay_mappings(tmp_path, version):
    folder = tmp_path / "made"
    hostile = {"lc": version, "type": "constructor", "id": ["os", "mkdir"], "args": [str(folder)], "kwargs": {}}

    kept = SERIALIZER.loads(SERIALIZER.dumps({"tool_result": hostile}, where="state"))
    stored = SERIALIZER.loads_typed(("json", json.dumps(hostile).encode()))

    assert kept == {"tool_result": hostile}
    assert stored == hostile
    assert not folder.exists()


@pytest.mark.parametrize(
    "stored",
    [
        {"$": "os.mkdir", "v": "/tmp/x"},
        {"$": "langgraph.send", "v": {"node": "x"}},
        {"$": "langgraph.send", "v": None},
        {"$": "plain", "v": 3},
        {"$": "set", "v": [[1]]},
        {"$": ["unhashable"], "v": None},
        {"$": None},
    ],
)
def test_a_tag_that_is_not_on_the_list_or_not_readable_is_refused(stored):
    with pytest.raises(StateRefused):
        SERIALIZER.loads(json.dumps({"deep": [stored]}))


def test_a_listed_model_keeps_its_tag_when_the_class_is_renamed_and_an_old_version_is_upgraded():
    before = CheckpointSerializer([versioned_model("finding", 1, Point)])
    text = before.dumps([Point(x=3)], where="state")

    class Finding(BaseModel):
        x: int
        y: int = 0

    old = TaggedType("finding@1", Finding, lambda value: value.model_dump(), lambda fields: Finding(**fields, y=7))
    after = CheckpointSerializer([old, versioned_model("finding", 2, Finding)])

    assert after.loads(text) == [Finding(x=3, y=7)]
    assert '"finding@2"' in after.dumps(Finding(x=1), where="state")
    with pytest.raises(StateRefused, match="finding@1"):
        SERIALIZER.loads(text)
