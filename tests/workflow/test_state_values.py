"""Dotted names, arguments that point into the state, and values that do not fit their key."""

import pytest

from harness.exceptions import NameUnknown
from harness.workflow.spec import StateKeySpec, WorkflowSpec
from harness.workflow.state_values import argument_value, initial_state, misfit, value_at

VALUES = {"a": {"b": {"c": 1}}, "n": None, "t": "text"}


def test_a_dotted_name_reads_fields_of_mappings():
    assert value_at("a.b.c", VALUES) == 1
    assert value_at("n", VALUES) is None


@pytest.mark.parametrize("name", ["x", "a.x", "a.b.c.d", "t.upper", "n.x", "a.b.__class__"])
def test_a_name_that_leads_nowhere_is_refused(name):
    with pytest.raises(NameUnknown):
        value_at(name, VALUES)


def test_only_a_mapping_of_from_alone_points_into_the_state():
    assert argument_value({"from": "a.b"}, VALUES) == {"c": 1}
    assert argument_value({"from": "a", "to": "b"}, VALUES) == {"from": "a", "to": "b"}
    assert argument_value({"from": 1}, VALUES) == {"from": 1}


@pytest.mark.parametrize(
    ("kind", "fitting", "other"),
    [
        ("string", "x", 1),
        ("integer", 1, 1.5),
        ("integer", 0, False),
        ("number", 1, True),
        ("boolean", True, 1),
        ("array", [], {}),
        ("object", {}, []),
    ],
)
def test_a_value_fits_its_keys_type_or_is_null(kind, fitting, other):
    spec = StateKeySpec.model_validate({"type": kind})
    assert misfit("k", fitting, spec) is None
    assert misfit("k", None, spec) is None
    assert f"'k' holds {kind}, not {type(other).__name__}" in (misfit("k", other, spec) or "")


def test_the_first_state_is_inputs_over_defaults_with_visits_only_where_a_loop_counts_them():
    def spec(**node):
        nodes = {"a": {"kind": "code", "code": "x", **node}}
        return WorkflowSpec.model_validate(
            {"workflow": "w", "state": {"x": {"default": 1}, "y": {}}, "nodes": nodes, "start": "a"}
        )

    assert initial_state(spec(), {"y": 2}) == {"x": 1, "y": 2}
    assert initial_state(spec(max_visits=2), {"x": 3}) == {"x": 3, "y": None, "_visits": {}}
