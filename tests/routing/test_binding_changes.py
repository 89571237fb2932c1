import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import NameUnknown
from harness.models.catalogue import builtin_catalogue
from harness.routing.binding_changes import Place, Subject, check_models, differences, parse_place, unknown_role_hint
from harness.routing.bindings import Binding, BindingsFile

names = st.sampled_from(["writer", "judge", "a.b", "c-d"])
bindings = st.builds(
    Binding,
    role=names,
    model=st.sampled_from(["m", "n"]),
    workflow=st.none() | names,
    endpoint=st.none() | st.just("e"),
    fallback=st.sampled_from([(), ("o",), ("o", "p")]),
)
files = st.lists(bindings, unique_by=lambda each: each.key).map(lambda each: BindingsFile(bindings=tuple(each)))


@given(files, files)
def test_there_is_no_difference_exactly_where_the_same_is_bound(one, other):
    same = {each.key: each for each in one.bindings} == {each.key: each for each in other.bindings}
    assert (differences(one, other) == ()) is same


@given(files, files)
def test_a_difference_seen_from_the_other_side_is_turned_round(one, other):
    there = {(each.name, str(each.before), str(each.after)) for each in differences(one, other)}
    back = {(each.name, str(each.after), str(each.before)) for each in differences(other, one)}
    assert there == back


def test_the_order_of_bindings_is_no_difference():
    two = (Binding(role="a", model="m"), Binding(role="b", model="m"))
    assert differences(BindingsFile(bindings=two), BindingsFile(bindings=two[::-1])) == ()


def test_a_changed_model_names_only_the_fields_that_differ():
    model = {"endpoint": "openai", "wire_name": "w", "context_tokens": 10}
    one = BindingsFile.model_validate({"models": {"x": model}})
    other = BindingsFile.model_validate({"models": {"x": {**model, "context_tokens": 20}}})
    (change,) = differences(one, other)
    assert (change.subject, change.before, change.after) == (
        Subject.MODEL,
        {"context_tokens": 10},
        {"context_tokens": 20},
    )
    assert str(change) == "~ model x: context_tokens 10 -> context_tokens 20"


def test_a_change_of_the_preferred_endpoint_is_said():
    one = BindingsFile(bindings=(Binding(role="r", model="m"),))
    other = BindingsFile(bindings=(Binding(role="r", model="m", endpoint="near"),))
    (change,) = differences(one, other)
    assert str(change) == "~ binding r: the default -> endpoint near"
    assert str(differences(BindingsFile(), other)[0]) == "+ binding r: m, endpoint near"


def test_a_model_can_be_bound_only_where_every_endpoint_that_serves_it_is_known():
    model = {"endpoint": "openai", "wire_name": "w", "context_tokens": 10}
    known = BindingsFile.model_validate(
        {"models": {"x": {**model, "also_at": [{"endpoint": "opnrouter", "wire_name": "w"}]}}}
    )
    with pytest.raises(NameUnknown, match="openrouter"):
        check_models(["x"], known.catalogue(builtin_catalogue()))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("writer", Place(None, None, "writer")),
        ("hello:writer", Place("hello", None, "writer")),
        ("hello/write", Place("hello", "write", None)),
        ("hello/write:writer", Place("hello", "write", "writer")),
        ("licence_audit/step.one", Place("licence_audit", "step.one", None)),
    ],
)
def test_places_are_read_as_people_write_them(text, place):
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["", "/", "hello/", ":writer", "a/b/c", "a b", "a:b:c", "a\n", "../x"])
def test_a_text_that_is_no_place_is_refused(text):
    with pytest.raises(NameUnknown, match="WORKFLOW/NODE"):
        parse_place(text)


@given(bindings)
def test_a_binding_s_place_reads_back_as_its_key(binding):
    place = parse_place(binding.place)
    assert (place.workflow, place.node, place.role) == binding.key


def test_a_model_that_is_in_no_catalogue_is_answered_with_the_nearest():
    check_models(["gpt-5-mini"], builtin_catalogue())
    with pytest.raises(NameUnknown) as caught:
        check_models(["gpt-5-mini", "gpt-5-nino"], builtin_catalogue())
    assert "gpt-5-nano" in caught.value.nearest


def test_a_role_that_is_known_needs_no_hint():
    assert unknown_role_hint("writer", ["writer"]) is None
    assert "'writer'" in (unknown_role_hint("writter", ["writer"]) or "")
