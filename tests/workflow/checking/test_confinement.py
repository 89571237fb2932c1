"""A workflow in which a stranger's text could send private data out is refused before it runs."""

import pytest

from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import Approval
from harness.workflow.checking.confinement import check_confinement
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

TOOLS = {
    "crm": ToolDeclaration("crm", private=True, trusted=True),
    "web": ToolDeclaration("web"),
    "clock": ToolDeclaration("clock", trusted=True),
    "mail": ToolDeclaration("mail", effect=True, outward=True, trusted=True),
    "asked_mail": ToolDeclaration("asked_mail", effect=True, outward=True, trusted=True, approval=Approval.ALWAYS),
}
REGISTRY = Registry(
    code=frozenset({"join"}), tools=TOOLS, servers={"files": ToolDeclaration("files", outward=True, private=True)}
)

STATE = """
workflow: w
inputs: [letter, customer, topic]
state:
  letter: {type: string, untrusted: true}
  customer: {type: object, private: true}
  topic: {type: string}
  draft: {type: string}
  kind: {type: object}
  approval: {type: object}
  sent: {type: any}
"""


@pytest.fixture
def problems(tmp_path):
    def found(nodes, prompt="{{ letter }} {{ customer }}", **workflows):
        (tmp_path / "p.md").write_text(prompt, encoding="utf-8")
        path = tmp_path / "w.yaml"
        path.write_text(STATE + nodes, encoding="utf-8")
        for name, text in workflows.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        loaded = load_workflow(path, {name: tmp_path / f"{name}.yaml" for name in workflows})
        gathered = Problems(loaded)
        check_confinement(loaded, REGISTRY, gathered)
        return [line.removeprefix(f"{tmp_path}/") for line in gathered.sorted()]

    return found


WRITE = "  write: {kind: model, role: r, prompt: p.md, output: draft}\n"


def chain(send, between="", edges="[{from: write, to: send}]"):
    return f"nodes:\n{WRITE}{between}  send: {send}\nstart: write\nedges: {edges}\n"


SEND = "{kind: tool, tool: mail, arguments: {text: {from: draft}}, output: sent}"


def test_private_data_in_an_effect_at_a_strangers_word_is_refused_with_its_place_and_what_it_is_made_of(problems):
    (line,) = problems(chain(SEND))
    assert line.startswith("w.yaml:14:22: nodes.send.tool: 'mail' could carry private data out")
    assert "(what reaches it is made of customer, letter)" in line
    assert "`human` node" in line


@pytest.mark.parametrize("prompt", ["{{ letter }} {{ topic }}", "{{ customer }} {{ topic }}", "{{ topic }}"])
def test_two_of_the_three_are_no_danger(problems, prompt):
    assert problems(chain(SEND), prompt) == []


def test_a_tool_that_asks_a_person_for_each_call_may_be_called(problems):
    assert problems(chain(SEND.replace("mail", "asked_mail"))) == []


HUMAN = "  ask: {kind: human, question: p.md, shows: [draft], output: approval}\n"
THROUGH = "[{from: write, to: ask}, {from: ask, to: send}]"


def test_a_person_who_is_shown_it_on_every_way_may_let_it_go(problems):
    assert problems(chain(SEND, HUMAN, THROUGH)) == []


def test_a_person_who_is_shown_something_else_lets_nothing_go(problems):
    assert problems(chain(SEND, HUMAN.replace("[draft]", "[topic]"), THROUGH))


def test_a_person_on_one_of_two_ways_is_not_between(problems):
    edges = "[{from: write, to: ask, when: topic}, {from: write, to: send}, {from: ask, to: send}]"
    assert problems(chain(SEND, HUMAN, edges))


def test_what_is_written_anew_after_the_person_saw_it_was_not_seen(problems):
    again = HUMAN + "  again: {kind: model, role: r, prompt: p.md, output: draft}\n"
    edges = "[{from: write, to: ask}, {from: ask, to: again}, {from: again, to: send}]"
    assert problems(chain(SEND, again, edges))


CLASSIFY = (
    "  write: {{kind: model, role: r, prompt: p.md, output: kind, schema: {{type: object, "
    "additionalProperties: false, properties: {{kind: {kind}}}}}}}\n"
)
SEND_KIND = "{kind: tool, tool: mail, arguments: {text: {from: kind.kind}}, output: sent}"


@pytest.mark.parametrize(
    ("kind", "refused"), [("{enum: [refund, complaint]}", False), ("{type: integer}", False), ("{type: string}", True)]
)
def test_fixed_words_and_numbers_may_pass_and_words_may_not(problems, kind, refused):
    nodes = (
        "nodes:\n"
        + CLASSIFY.format(kind=kind)
        + f"  send: {SEND_KIND}\nstart: write\nedges: [{{from: write, to: send}}]\n"
    )
    assert bool(problems(nodes)) is refused


def agent(tools, prompt_key="topic"):
    return f"nodes:\n  a: {{kind: agent, role: r, prompt: p.md, tools: [{tools}], output: draft}}\nstart: a\n", (
        f"{{{{ {prompt_key} }}}}"
    )


@pytest.mark.parametrize(
    ("tools", "refused"),
    [
        ("web, crm, mail", True),
        ("web, mail", False),
        ("crm, mail", False),
        ("clock, crm, mail", False),
        ("web, crm, asked_mail", False),
        ("web, files.read", True),
        ("files.read", True),
    ],
)
def test_an_agent_may_hold_two_of_reading_outside_reading_private_and_sending(problems, tools, refused):
    assert bool(problems(*agent(tools))) is refused


def test_what_its_prompt_brings_in_counts_for_an_agent(problems):
    assert problems(*agent("crm, mail", "letter"))


def test_a_plan_whose_workers_join_the_three_is_refused(problems):
    workers = (
        "{read: {description: d, tool: web}, look: {description: d, tool: crm}, send: {description: d, tool: mail}}"
    )
    nodes = f"nodes:\n  p: {{kind: plan, role: r, prompt: p.md, workers: {workers}, output: draft}}\nstart: p\n"
    (line,) = problems(nodes, "{{ topic }}")
    assert "nodes.p.workers.send.tool" in line


def test_code_passes_on_what_it_is_given(problems):
    nodes = (
        "nodes:\n  j: {kind: code, code: join, arguments: {a: {from: letter}, b: {from: customer}}, output: draft}\n"
        f"  send: {SEND}\nstart: j\nedges: [{{from: j, to: send}}]\n"
    )
    assert problems(nodes)


def test_a_memory_is_private_and_may_hold_texts_from_outside(problems):
    nodes = (
        "nodes:\n  r: {kind: recall, query: topic, output: sent}\n"
        "  j: {kind: code, code: join, arguments: {a: {from: sent}}, output: draft}\n"
        f"  send: {SEND.replace('output: sent', 'output: kind')}\nstart: r\nedges: [{{from: r, to: j}}, {{from: j, to: send}}]\n"
    )
    assert problems(nodes)
    assert problems(nodes.replace("query: topic,", "query: topic, min_trust: verified,")) == []


def test_what_comes_round_a_loop_counts(problems):
    nodes = (
        "nodes:\n  send: {kind: tool, tool: mail, arguments: {text: {from: draft}}, output: sent, max_visits: 3}\n"
        f"{WRITE}start: send\nedges: [{{from: send, to: write}}, {{from: write, to: send}}]\n"
    )
    assert problems(nodes)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ("when: topic", True),
        ("expires_seconds: 9, on_expiry: default, default: {approved: true}", True),
        ("expires_seconds: 9, on_expiry: default, default: {approved: false}", False),
        ("expires_seconds: 9", False),
    ],
)
def test_a_person_who_may_have_been_passed_over_lets_nothing_go(problems, more, refused):
    ask = HUMAN.replace("shows: [draft]", f"shows: [draft], {more}")
    assert bool(problems(chain(SEND, ask, THROUGH))) is refused


def test_what_is_written_beside_the_person_was_not_seen(problems):
    nodes = (
        "nodes:\n" + WRITE + HUMAN + "  again: {kind: model, role: r, prompt: p.md, output: draft}\n"
        f"  send: {SEND}\nstart: write\nedges: [{{from: write, to: [ask, again]}}, {{from: ask, to: send}}]\n"
    )
    assert problems(nodes)


def test_what_failed_is_no_answer_whatever_its_schema_says(problems):
    write = (
        "  write: {kind: model, role: r, prompt: p.md, for_each: sent, output: kind, on_item_error: skip, "
        "errors: draft, schema: {type: integer}}\n"
    )
    nodes = f"nodes:\n{write}  send: %s\nstart: write\nedges: [{{from: write, to: send}}]\n"
    to_outside = "{kind: tool, tool: mail, arguments: {text: {from: %s}}}"
    assert problems(nodes % (to_outside % "draft"))
    assert problems(nodes % (to_outside % "kind")) == []


def test_a_number_stays_private_beside_a_strangers_text(problems):
    nodes = (
        "nodes:\n"
        + CLASSIFY.format(kind="{type: integer}")
        + "  send: {kind: tool, tool: mail, arguments: {to: {from: letter}, n: {from: kind.kind}}}\n"
        "start: write\nedges: [{from: write, to: send}]\n"
    )
    assert problems(nodes)


def test_an_input_is_not_held_to_the_schema_of_who_writes_its_key_later(problems):
    nodes = (
        "nodes:\n"
        + CLASSIFY.format(kind="{type: integer}").replace("output: kind", "output: letter")
        + "  send: {kind: tool, tool: mail, arguments: {n: {from: letter.kind}, who: {from: customer}}}\n"
        "start: write\nedges: [{from: write, to: send}]\n"
    )
    assert problems(nodes, "{{ topic }}")


INNER = """
workflow: inner
inputs: [text]
state: {text: {type: string}, found: {type: any}}
nodes: {only: {kind: tool, tool: %s, arguments: {text: {from: text}}, output: found}}
start: only
"""


def plan_of(*workers):
    each = ", ".join(workers)
    return f"nodes:\n  p: {{kind: plan, role: r, prompt: p.md, workers: {{{each}}}, output: draft}}\nstart: p\n"


def test_what_a_plans_workflows_bring_in_counts(problems):
    nodes = plan_of(
        "read: {description: d, workflow: inner}",
        "look: {description: d, tool: crm}",
        "send: {description: d, tool: mail}",
    )
    (line,) = problems(nodes, "{{ topic }}", inner=INNER % "web")
    assert "nodes.p.workers.send.tool" in line
    assert problems(nodes, "{{ topic }}", inner=INNER % "clock") == []


def test_what_a_plan_could_give_a_workflow_that_sends_counts(problems):
    nodes = plan_of(
        "read: {description: d, tool: web}",
        "look: {description: d, tool: crm}",
        "send: {description: d, workflow: inner}",
    )
    (line,) = problems(nodes, "{{ topic }}", inner=INNER % "mail")
    assert "inner.yaml" in line
    assert problems(nodes.replace("crm", "clock"), "{{ topic }}", inner=INNER % "mail") == []


def test_what_a_run_failed_with_may_be_a_strangers_words_and_tell_of_anything(problems):
    nodes = (
        "nodes:\n  w: {kind: tool, tool: %s, output: sent}\n  look: {kind: tool, tool: crm, output: kind}\n"
        "  tell: {kind: tool, tool: mail, arguments: {text: {from: error.message}}}\n"
        "start: w\nedges: [{from: w, to: look}]\non_error: tell\n"
    )
    assert problems(nodes % "web")
    assert problems((nodes % "web").replace("tool: crm", "tool: clock")) == []


def test_no_person_stands_before_the_node_for_failures(problems):
    nodes = (
        "nodes:\n"
        + WRITE
        + HUMAN
        + f"  tell: {SEND}\nstart: write\nedges: [{{from: write, to: ask}}]\non_error: tell\n"
    )
    assert problems(nodes)
