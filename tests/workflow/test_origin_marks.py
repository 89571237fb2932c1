"""What keys carry after several nodes wrote in one step, and after a person approved what they saw."""

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.origin_marks import marks_taken_in, seen_mark, written_mark
from harness.workflow.origins import Origin
from harness.workflow.spec import WorkflowSpec

STATE = {"all": {"reducer": "append"}, "newest": {"reducer": "last"}, "one": {}}
TAKEN_IN = marks_taken_in(
    WorkflowSpec.model_validate(
        {"workflow": "w", "state": STATE, "nodes": {"n": {"kind": "code", "code": "x"}}, "start": "n"}
    )
)
BAD = Origin(untrusted=True, private=True, trust="tool", sources=("web",))
CLEAN = Origin()
origins = st.builds(Origin, st.booleans(), st.booleans(), st.sampled_from(["inferred", "tool", "stated"]))


def after(*marks):
    return reduce(TAKEN_IN, marks, {})


@given(st.lists(origins, min_size=1, max_size=3))
def test_a_key_whose_values_are_joined_carries_the_worst_of_all_writes_in_any_order(written):
    marks = [{"all": written_mark(each, f"n{place}")} for place, each in enumerate(written)]
    for order in permutations(marks):
        found = Origin.from_json(after(*order)["all"])
        assert found.untrusted == any(each.untrusted for each in written)
        assert found.private == any(each.private for each in written)


def test_what_replaces_a_value_replaces_what_it_carried():
    for key in ("one", "newest"):
        found = after({key: written_mark(BAD, "a")}, {key: written_mark(CLEAN, "b")})
        assert Origin.from_json(found[key]) == CLEAN


def test_a_yes_clears_what_the_person_saw_and_keeps_it_private():
    before = after({"one": written_mark(BAD, "a")})
    found = Origin.from_json(TAKEN_IN(before, {"one": seen_mark(before["one"])})["one"])
    assert (found.untrusted, found.private) == (False, True)


def test_a_yes_clears_nothing_that_was_written_at_the_same_time():
    for key in ("one", "newest", "all"):
        before = after({key: written_mark(BAD, "a")})
        written, seen = {key: written_mark(BAD, "b")}, {key: seen_mark(before[key])}
        for order in ((written, seen), (seen, written)):
            assert Origin.from_json(reduce(TAKEN_IN, order, before)[key]).untrusted
