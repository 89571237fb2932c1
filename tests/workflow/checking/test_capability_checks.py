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


AGENT = """\
workflow: helping
state: {answer: {}}
nodes:
  help:
    kind: agent
    role: helper
    prompt: ask.md
    style: auto
    tools: [look_up]
    max_output_tokens: 100
    output: answer
start: help
"""


@pytest.fixture
def agent(tmp_path):
    def loaded(*changes):
        text = AGENT
        for old, new in changes:
            text = text.replace(old, new)
        (tmp_path / "ask.md").write_text("Help.\n")
        (tmp_path / "workflow.yaml").write_text(text)
        return load_workflow(tmp_path / "workflow.yaml")

    return loaded


TOOLS, BY_SCHEMA = model([Capability.TOOLS]), model()


def test_an_agent_is_asked_natively_where_every_model_calls_tools_and_else_by_a_schema(agent):
    assert capability_problems(agent(), decision(TOOLS, TOOLS)) == []
    assert capability_problems(agent(), decision(BY_SCHEMA, BY_SCHEMA)) == []
    (problem,) = capability_problems(agent(), decision(TOOLS, BY_SCHEMA))
    assert "workflow.yaml:8:5: nodes.help.style: 'm0' is not known to answer by a JSON Schema" in problem
    assert "not every model that may answer calls tools" in problem


def test_a_style_needs_models_that_have_it(agent):
    (problem,) = capability_problems(agent(("auto", "native")), decision(TOOLS, BY_SCHEMA))
    assert "nodes.help.style: 'm1' is not known to call tools: set `style: json`" in problem
    (problem,) = capability_problems(agent(("auto", "json")), decision(TOOLS))
    assert "'m0' is not known to answer by a JSON Schema, as `style: json` asks" in problem


def test_the_role_that_answers_instead_must_be_able_to_do_the_same(agent):
    endpoint = Endpoint(base_url="http://127.0.0.1:1/v1")
    by_role = {"helper": TOOLS, "other": model(())}

    def decided(_node, role):
        return Decision((Target(role, by_role[role], "here", endpoint),), 1, ())

    (problem,) = capability_problems(agent(("    output", "    fallback: {role: other}\n    output")), decided)
    assert "'other' is not known to answer by a JSON Schema" in problem
    assert "bind another model to 'other'" in problem


PLAN = """\
workflow: planning
state: {answer: {}}
nodes:
  plan:
    kind: plan
    role: planner
    prompt: ask.md
    workers:
      read: {description: reads, role: reader, prompt: ask.md, output: {type: object}, max_output_tokens: 2000}
      find: {description: finds, tool: look_up}
    output: answer
start: plan
"""


def test_a_planner_and_its_workers_answer_by_their_schemas_and_have_room(tmp_path):
    (tmp_path / "ask.md").write_text("Plan.\n")
    (tmp_path / "workflow.yaml").write_text(PLAN)
    loaded = load_workflow(tmp_path / "workflow.yaml")
    assert capability_problems(loaded, decision(model(context_tokens=9000))) == []
    found = capability_problems(loaded, decision(model((), context_tokens=1500)))
    assert [line.partition(": ")[2].partition(":")[0] for line in found] == [
        "nodes.plan.max_output_tokens",
        "nodes.plan.role",
        "nodes.plan.workers.read.output",
        "nodes.plan.workers.read.max_output_tokens",
    ]
