"""A model that cannot do what a node asks is found before the run."""

import pytest

from harness.models.catalogue import Capability, Endpoint, Model
from harness.routing.decision import Decision, Target
from harness.workflow.checking.capability_checks import capability_problems
from harness.workflow.loading import load_workflow

WORKFLOW = """\
workflow: sorting
state: {kind: {type: object}}
nodes:
  sort:
    kind: model
    role: classifier
    prompt: ask.md
    schema: {type: object}
    max_output_tokens: 100
    output: kind
start: sort
"""


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "ask.md").write_text("Which?\n")
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    return load_workflow(tmp_path / "workflow.yaml")


def decision(*models):
    endpoint = Endpoint(base_url="http://127.0.0.1:1/v1")
    targets = tuple(Target(f"m{place}", model, "here", endpoint) for place, model in enumerate(models))
    return lambda _node, _role: Decision(targets, 1, ())


def model(capabilities=(Capability.JSON_SCHEMA,), context_tokens=1000):
    return Model(endpoint="here", wire_name="m", context_tokens=context_tokens, capabilities=frozenset(capabilities))


def test_a_model_that_can_is_no_problem(loaded):
    assert capability_problems(loaded, decision(model())) == []


def test_a_schema_needs_a_model_that_answers_by_one_at_every_target(loaded):
    (problem,) = capability_problems(loaded, decision(model(), model(capabilities=())))
    assert "workflow.yaml:8:5: nodes.sort.schema: 'm1' is not known to answer by a JSON Schema" in problem


def test_an_output_limit_leaves_room_for_the_prompt(loaded):
    (problem,) = capability_problems(loaded, decision(model(context_tokens=100)))
    assert "workflow.yaml:9:5: nodes.sort.max_output_tokens: leaves no room for a prompt" in problem
