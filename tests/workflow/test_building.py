"""Workflows put together in Python are the workflows that a file would say."""

import asyncio
from pathlib import Path
from typing import Annotated, TypedDict

import pytest

from harness.exceptions import CallableRefused, SpecificationInvalid
from harness.workflow.building import Workflow
from harness.workflow.compiler import compile_graph
from harness.workflow.loading import load_workflow
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.spec import Reducer, ValueType
from harness.workflow.state_values import initial_state
from tests.workflow.conftest import context_of


class Letters(TypedDict):
    letters: list[dict]
    urgent: list | None
    seen: Annotated[list, Reducer.APPEND]
    answers: list


def letters():
    flow = Workflow("letters", state=Letters, inputs=["letters"])

    @flow.code(output="urgent")
    def pick(letters: list[dict], context: NodeContext) -> list[dict]:
        return [each | {"by": context.node} for each in letters if each["urgent"]]

    @flow.node(writes=["seen"])
    def note(state: dict) -> dict:
        return {"seen": [each["text"] for each in state["urgent"]]}

    flow.edge("pick", "note")
    return flow


def run(flow, **inputs):
    graph = compile_graph(flow.build(), checkpointer=None)
    start = initial_state(flow.build().spec, inputs)
    return asyncio.run(graph.ainvoke(start, context=context_of(flow.functions, [])))


def test_functions_are_given_the_keys_they_name_and_langgraph_nodes_the_state():
    state = run(letters(), letters=[{"urgent": True, "text": "now"}, {"urgent": False, "text": "later"}])
    assert state["urgent"] == [{"urgent": True, "text": "now", "by": "pick"}]
    assert state["seen"] == ["now"]


def test_a_langgraph_node_may_return_some_of_the_keys_it_writes_or_none():
    flow = Workflow("steps", state={"log": Annotated[list, Reducer.APPEND], "note": str}, inputs=["note"])

    @flow.node(writes=["log", "note"])
    def first(state: dict) -> dict:
        return {"log": [state["note"]]}

    @flow.node(writes=["log"])
    def second(state: dict) -> None:
        pass

    @flow.node(writes=["note"])
    def third(state: dict, context: NodeContext) -> dict:
        return {"note": f"{len(state['log'])} by {context.node}"}

    flow.edge("first", "second")
    flow.edge("second", "third")
    assert run(flow, note="begun") == {"log": ["begun"], "note": "1 by third"}


def test_a_langgraph_node_that_returns_another_key_is_refused_with_its_name():
    flow = Workflow("steps", state={"log": list, "note": str})

    @flow.node(writes=["log"])
    def first(state: dict) -> dict:
        return {"log": [], "note": "not declared"}

    with pytest.raises(CallableRefused, match="it returned 'note', and its node writes 'log'"):
        run(flow)


def test_types_say_what_a_key_holds():
    keys = letters().build().spec.state
    assert [key.type for key in keys.values()] == [ValueType.ARRAY] * 4
    assert keys["seen"].reducer is Reducer.APPEND


def test_it_is_what_a_file_of_the_same_content_is(tmp_path):
    flow = Workflow("greet", state={"guest": str, "text": str}, inputs=["guest"], outcome="text")
    flow.model("write", role="writer", prompt="Greet {{ guest }}.", output="text", max_output_tokens=20)
    (tmp_path / "write.prompt").write_text("Greet {{ guest }}.", encoding="utf-8")
    (tmp_path / "w.yaml").write_text(
        "workflow: greet\ninputs: [guest]\noutcome: text\n"
        "state:\n  guest: {type: string}\n  text: {type: string}\n"
        "nodes:\n  write: {kind: model, role: writer, prompt: write.prompt, output: text, max_output_tokens: 20}\n"
        "start: write\n",
        encoding="utf-8",
    )
    assert flow.build().digest == load_workflow(tmp_path / "w.yaml").digest


def test_a_prompt_can_stand_in_a_file(tmp_path):
    path = Path(tmp_path / "p.md")
    path.write_text("Greet {{ guest }}.", encoding="utf-8")
    flow = Workflow("greet", state={"guest": str, "text": str})
    flow.model("write", role="writer", prompt=path, output="text")
    assert flow.build().files == {"write.prompt": "Greet {{ guest }}."}


def test_every_kind_can_be_added_and_ways_chosen_by_expressions():
    flow = Workflow("w", state={"n": int, "approval": dict})
    flow.add("ask", "human", question="Go on with {{ n }}?", output="approval")
    flow.add("way", "branch", cases=[{"when": "approval.approved", "to": "again"}, {"to": "end"}])
    flow.add("again", "workflow", workflow="other", inputs={"n": {"from": "n"}})
    flow.edge("ask", "way")
    spec = flow.build().spec
    assert [edge.target for edge in spec.ways] == [("way",), ("again",), ("end",)]


def test_what_is_no_workflow_is_refused_with_its_place():
    flow = Workflow("w", state={"n": int})
    flow.add("ask", "humane", output="n")
    with pytest.raises(SpecificationInvalid, match=r"w: nodes\.ask: .*'humane'"):
        flow.build()


def test_a_name_is_taken_once():
    flow = letters()
    with pytest.raises(SpecificationInvalid, match="'pick' stands twice"):
        flow.add("pick", "code", code="pick")
