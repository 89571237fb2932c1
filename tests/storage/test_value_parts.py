"""Parts of a long value are the value again, and stay as they are while it grows at its end."""

import json

from hypothesis import given
from hypothesis import strategies as st

from harness.storage.checkpoint_serializer import CheckpointSerializer
from harness.storage.value_parts import joined, parts_of

_serializer = CheckpointSerializer()
_items = st.lists(
    st.one_of(st.text(max_size=20), st.integers(0, 5000).map("x".__mul__), st.just({"$": "plain", "v": []})),
    min_size=1,
    max_size=60,
)
_mappings = st.dictionaries(st.text(max_size=5), st.integers(0, 5000).map("x".__mul__), min_size=1, max_size=30)


def _parts(value):
    return parts_of(_serializer.dumps_items(value, where="test"), brackets="[]" if type(value) is list else "{}")


@given(st.one_of(_items, _mappings))
def test_the_parts_together_are_the_value(value):
    parts = _parts(value)

    if "$" in value and type(value) is dict:
        assert parts == []  # it is written as pairs, and kept whole
    else:
        assert _serializer.loads(joined(parts)) == value
        assert json.loads(joined(parts)) == json.loads(_serializer.dumps(value, where="test"))


def test_a_growing_list_stores_a_few_times_what_is_added_and_is_of_few_parts():
    stored, added, items = {}, 0, []
    for step in range(3000):
        items.append(f"{step}:" + "x" * 990)
        added += 1000
        parts = _parts(items) if step % 10 == 9 else []
        stored.update(dict.fromkeys(parts))

    assert sum(map(len, stored)) < 4 * added
    assert len(parts) < 45


def test_what_is_neither_list_nor_mapping_has_no_parts():
    for value in ("text", 1, None, {"a", "b"}):
        assert parts_of(_serializer.dumps_items(value, where="test"), brackets="[]") == []
