"""Plans as values: what is read of an answer, and what keeps a plan from being run."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.answers import Rejected
from harness.workflow.node_kinds import Worker
from harness.workflow.nodes.plan.plan import (
    before,
    cycle_in,
    dependencies,
    plan_as_json,
    plan_from_json,
    plan_problems,
    read_plan,
    sinks,
    worker_shape,
)

TEXT = {"type": "string"}
WORKERS = {
    "read": worker_shape(
        Worker.model_validate(
            {"description": "", "role": "r", "prompt": "p", "inputs": {"file": {"type": "string", "format": "path"}}}
        )
    ),
    "judge": worker_shape(
        Worker.model_validate(
            {
                "description": "",
                "role": "r",
                "prompt": "p",
                "inputs": {"text": TEXT, "strict": {"type": "boolean", "default": False}},
                "output": {
                    "type": "object",
                    "properties": {"score": {"type": "integer"}, "words": TEXT},
                    "additionalProperties": False,
                },
            }
        )
    ),
    "join": worker_shape(
        Worker.model_validate(
            {
                "description": "",
                "role": "r",
                "prompt": "p",
                "inputs": {"texts": {"type": "array", "items": TEXT, "maxItems": 3}},
            }
        )
    ),
    "free": worker_shape(Worker.model_validate({"description": "", "role": "r", "prompt": "p"})),
}


def step(name, worker="free", after=(), **inputs):
    return {"id": name, "worker": worker, "inputs": inputs, "depends_on": list(after)}


def plan_of(*steps, max_steps=50):
    found = read_plan(json.dumps({"steps": list(steps)}), max_steps=max_steps)
    assert not isinstance(found, Rejected), found.reason
    return found


def problems(*steps, passed=None, earlier=None):
    return plan_problems(plan_of(*steps), WORKERS, passed=passed or {}, earlier=earlier or {})


GOOD = (
    step("a", "read", file="notes/a.md"),
    step("b", "read", file="b.md"),
    step("j", "join", texts=[{"from": "a"}, {"from": "b"}, "plain"]),
    step("s", "judge", text={"from": "j"}),
    step("t", "judge", text={"from": "s.words"}),
)


def test_a_plan_that_makes_sense_has_no_problem_and_is_what_was_recorded_of_it():
    plan = plan_of(*GOOD)
    assert problems(*GOOD) == []
    assert plan_from_json(json.loads(json.dumps(plan_as_json(plan)))) == plan
    assert dependencies(plan) == {"a": (), "b": (), "j": ("a", "b"), "s": ("j",), "t": ("s",)}
    assert before(plan)["t"] == {"a", "b", "j", "s"}
    assert sinks(plan) == ("t",)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("a"), step("a")], "'a' stands twice"),
        ([step("r1")], "kept for earlier rounds"),
        ([step("a", "raed", file="x")], "no worker 'raed'; did you mean 'read'?"),
        ([step("a", after=["b"])], "depends_on names 'b', and there is no such step"),
        ([step("a", "judge", text={"from": "b"})], "from 'b': there is no such step"),
        ([step("a", "judge")], "worker 'judge' needs the input 'text'"),
        ([step("a", "judge", text="x", txet="y")], "has no input 'txet'; did you mean 'text'?"),
        ([step("a", "judge", text=3)], "3 is not of type 'string'"),
        ([step("a", "judge", text="x", strict="yes")], "'yes' is not of type 'boolean'"),
        (
            [step("a", "judge", text="x"), step("b", "judge", text={"from": "a"})],
            "from 'a' comes object, but it takes string",
        ),
        (
            [step("a", "judge", text="x"), step("b", "judge", text={"from": "a.score"})],
            "comes integer, but it takes string",
        ),
        (
            [step("a", "judge", text="x"), step("b", "judge", text={"from": "a.mark"})],
            "no field 'mark' (its fields: score, words)",
        ),
        ([step("a", "join", texts="one")], "is not of type 'array'"),
        ([step("a", "judge", text=[{"from": "b"}]), step("b")], "it takes string, not a list"),
        ([step("b"), step("a", "join", texts=[{"from": "b"}] * 4)], "at most 3 elements, this one 4"),
        ([step("b"), step("a", "join", texts=[{"from": "b"}, 3])], "[1]: $: 3 is not of type 'string'"),
        ([step("a", "judge", text={"state": "secret"})], "state 'secret': no such key is passed on"),
        ([step("a", after=["a"])], "wait for each other: a -> a"),
        ([step("a", after=["b"]), step("b", "judge", text={"from": "a"})], "wait for each other: a -> b -> a"),
    ],
)
def test_each_fault_is_named_with_its_step(steps, words):
    found = problems(*steps)
    assert any(words in each for each in found), found


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "", "~/x", "C:\\x", "a\\b", "file:///etc/passwd", "a\0b", "//host/x"]
)
def test_a_file_outside_the_sandbox_is_refused_before_anything_runs(path):
    assert any("step 'a': input 'file'" in each for each in problems(step("a", "read", file=path)))


def test_a_file_outside_the_sandbox_is_refused_by_way_of_state_and_of_earlier_results_too():
    outside = {"state": "where"}
    assert "leaves the working folder" in problems(step("a", "read", file=outside), passed={"where": "../x"})[0]
    assert problems(step("a", "read", file=outside), passed={"where": "x"}) == []
    assert "leaves" in problems(step("a", "read", file={"from": "r1.b"}), earlier={"r1.b": "/etc"})[0]


def test_results_of_earlier_rounds_and_state_values_are_held_to_the_schema_by_what_they_are():
    earlier, passed = {"r1.judge_it": {"words": "w", "score": 1}}, {"letters": [{"text": "t"}, {"text": 3}]}
    given = {"earlier": earlier, "passed": passed}
    assert problems(step("a", "judge", ["r1.judge_it"], text={"from": "r1.judge_it.words"}), **given) == []
    assert problems(step("a", "judge", text={"state": "letters.0.text"}), **given) == []
    assert "3 is not of type" in problems(step("a", "judge", text={"state": "letters.1.text"}), **given)[0]
    assert "1 is not of type" in problems(step("a", "judge", text={"from": "r1.judge_it.score"}), **given)[0]
    assert "no such field" in problems(step("a", "judge", text={"state": "letters.2"}), **given)[0]
    assert "no such step" in problems(step("a", "judge", text={"from": "r2.judge_it"}), **given)[0]


def test_ten_thousand_steps_are_refused_before_anything_is_built_of_them():
    text = json.dumps({"steps": [step(f"s{number}", "nobody") for number in range(10_000)]})
    began = time.process_time()
    read = read_plan(text, max_steps=10)
    assert isinstance(read, Rejected)
    assert read.reason == "it has 10,000 steps; at most 10 are taken"
    assert not read.repairable
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a plan", "not JSON"),
        ('{"steps": []}', "steps"),
        ('{"plan": [{}]}', "'steps' is a required property"),
        ('{"steps": [{"id": "a", "id": "b", "worker": "w"}]}', "stands twice"),
        ('{"steps": [{"worker": "w"}]}', "$.steps[0].id: Field required"),
        ('{"steps": [{"id": "A b", "worker": "w"}]}', "$.steps[0].id"),
        ('{"steps": [{"id": "a", "worker": "w", "inputs": []}]}', "$.steps[0].inputs"),
        ('{"steps": [{"id": "a", "worker": "w", "run": "rm"}]}', "$.steps[0].run"),
        ('{"steps": [3]}', "$.steps[0]"),
        ('{"steps": ' + "[" * 200 + "]" * 200 + "}", "nested"),
        ('{"steps": [{"id": "a", "worker": "w"}], "x": "' + "x" * 1_000_001 + '"}', "longer than 1,000,000"),
    ],
)
def test_what_is_no_plan_is_rejected_in_words(text, words):
    read = read_plan(text, max_steps=10)
    assert isinstance(read, Rejected)
    assert words in read.reason
    assert len(read.reason) < 500


def test_words_of_a_plan_are_shown_with_their_hidden_characters_and_bounded():
    found = problems(step("a", "w\u202e" + "x" * 70), step("b", "judge", text={"from": "z" * 100_000}))
    assert "\\u202e" in found[0]
    assert all(len(each) < 500 for each in found)
    many = plan_problems(plan_of(*[step(f"s{n}", "no") for n in range(50)]), WORKERS, passed={}, earlier={})
    assert len(many) == 21
    assert many[-1] == "and 30 more"


def test_a_tools_arguments_are_its_own_with_what_the_worker_says_on_top():
    parameters = {
        "type": "object",
        "properties": {"to": {"type": "string", "format": "path"}, "of": {"$ref": "#/$defs/n"}},
        "required": ["to"],
        "$defs": {"n": {"type": "integer"}},
    }
    worker = Worker.model_validate({"description": "", "tool": "t", "inputs": {"to": {"enum": ["a", "../b"]}}})
    shapes = {"t": worker_shape(worker, parameters)}

    def found(**inputs):
        return plan_problems(plan_of(step("a", "t", **inputs)), shapes, passed={}, earlier={})

    assert found(to="a") == found(to="a", of=3) == []
    assert "not one of" in found(to="c")[0]
    assert "leaves" in found(to="../b")[0]
    assert "not of type 'integer'" in found(to="a", of="x")[0]
    assert "needs the input 'to'" in found()[0]


@st.composite
def _graphs(draw):
    """Steps that wait for any others, and the same as a plain relation."""
    count = draw(st.integers(1, 8))
    names = [f"s{number}" for number in range(count)]
    return {name: tuple(draw(st.lists(st.sampled_from(names), max_size=3, unique=True))) for name in names}


def _is_acyclic(needs):
    def reaches(start, here, seen):
        return any(each == start or (each not in seen and reaches(start, each, seen | {each})) for each in needs[here])

    return not any(reaches(name, name, frozenset()) for name in needs)


@given(_graphs())
def test_a_well_formed_plan_is_accepted_exactly_when_no_step_waits_for_itself(needs):
    plan = plan_of(*[step(name, after=needed) for name, needed in needs.items()])
    found = plan_problems(plan, WORKERS, passed={}, earlier={})
    assert (found == []) == _is_acyclic(needs)
    cycle = cycle_in(needs)
    assert all(following in needs[each] for each, following in zip(cycle, [*cycle[1:], *cycle[:1]], strict=True))


@given(
    st.lists(
        st.builds(
            step,
            st.sampled_from(["a", "b", "r1", "c"]),
            st.sampled_from([*WORKERS, "nobody"]),
            st.lists(st.sampled_from(["a", "b", "x"]), max_size=2),
            text=st.sampled_from(
                ["t", 3, {"from": "a"}, {"from": "b.words"}, {"state": "k"}, {"from": 3}, [{"from": "a"}]]
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_a_plan_says_it_is_either_refused_in_words_or_can_be_run(steps):
    plan = plan_of(*steps)
    found = plan_problems(plan, WORKERS, passed={"k": "v"}, earlier={})
    assert all(isinstance(each, str) and each for each in found)
    if not found:
        assert before(plan).keys() == {each.id for each in plan}
        assert all(each.worker in WORKERS for each in plan)
