"""LangGraph's own agents and graphs on a role: unchanged code, real loops, caps in the middle of them."""

import asyncio
import json
from operator import add
from typing import Annotated

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from typing_extensions import TypedDict

from harness.exceptions import BudgetExceeded
from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.houses import HOUSES
from harness.ledger.reports import GroupBy
from tests.integrations.langchain_house import costs_of, house_of, project, set_cap

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")

REPLIES = [
    {
        "about": "weather",
        "turn": 0,
        "tool_calls": [
            {"name": "weather", "arguments": {"city": "Paris"}},
            {"name": "weather", "arguments": {"city": "Rome"}},
        ],
    },
    {"when": "rain in Rome", "turn": 1, "tool_call": {"name": "umbrella", "arguments": {}}},
    {"when": "one left", "turn": 2, "text": "Take the umbrella to Rome."},
    {"text": "I cannot say."},
]
ASKED = {"messages": [HumanMessage("How is the weather in Paris and Rome?")]}


def weather(city: str) -> str:
    """The weather of a city."""
    return {"Paris": "sun in Paris", "Rome": "rain in Rome"}[city]


def umbrella() -> str:
    """Whether there is an umbrella."""
    return "one left"


TOOLS = [weather, umbrella]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_PERSON", "ada")
    yield project(tmp_path, replies=REPLIES)
    HOUSES.close_folder(tmp_path)


@pytest.fixture
def model(folder):
    return HarnessChatModel(role="writer", folder=folder)


def react(model, **options):
    return create_react_agent(model, TOOLS, **options)


def hand_written(model, **options):
    able = model.bind_tools(TOOLS)

    class State(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]

    graph = StateGraph(State)
    graph.add_node("model", lambda state: {"messages": [able.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(TOOLS))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(**options)


@pytest.fixture(params=[react, hand_written])
def made(request):
    return request.param


def test_an_agent_comes_to_its_end(model, folder, made):
    messages = made(model).invoke(ASKED)["messages"]
    assert messages[-1].content == "Take the umbrella to Rome."
    assert sorted(each.content for each in messages if isinstance(each, ToolMessage)) == [
        "one left",
        "rain in Rome",
        "sun in Paris",
    ]
    model.close()
    line = costs_of(folder, GroupBy.ROLE)["writer"]
    answers = [each for each in messages if isinstance(each, AIMessage)]
    assert (line.calls, len(answers)) == (3, 3)
    assert line.input_tokens == sum(each.usage_metadata["input_tokens"] for each in answers)


def test_and_asynchronously_on_a_house_of_the_same_loop(folder):
    async def main():
        async with house_of(folder) as house:
            return await react(HarnessChatModel(role="writer", house=house)).ainvoke(ASKED)

    assert asyncio.run(main())["messages"][-1].content == "Take the umbrella to Rome."


def test_a_cap_refuses_the_second_question_of_a_loop(model, folder, made):
    set_cap(folder, 1)
    agent = made(model, checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    with pytest.raises(BudgetExceeded):
        agent.invoke(ASKED, thread)
    kept = agent.get_state(thread).values["messages"]
    assert [type(each) for each in kept] == [HumanMessage, AIMessage, ToolMessage, ToolMessage]
    set_cap(folder, 3)
    assert agent.invoke(None, thread)["messages"][-1].content == "Take the umbrella to Rome."
    model.close()
    assert costs_of(folder)["langchain"].calls == 3


def test_tokens_are_heard_through_the_graph_once(model, made):
    heard = [
        piece for piece, _ in made(model).stream(ASKED, stream_mode="messages") if isinstance(piece, AIMessageChunk)
    ]
    assert "".join(piece.content for piece in heard) == "Take the umbrella to Rome."
    assert len([chunk for piece in heard for chunk in piece.tool_call_chunks if chunk["name"]]) == 3


def test_a_state_with_its_messages_is_plain_json(model, made):
    messages = made(model).invoke(ASKED)["messages"]
    assert json.loads(json.dumps([each.model_dump() for each in messages]))


def test_parallel_branches_are_charged_to_one_task(model, folder):
    class State(TypedDict):
        said: Annotated[list[str], add]

    graph = StateGraph(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, lambda _: {"said": [model.invoke("hello").content]})
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    assert graph.compile().invoke({"said": []})["said"] == ["I cannot say."] * 3
    model.outcome(success=True, evidence="test")
    model.close()
    line = costs_of(folder)["langchain"]
    assert (line.calls, line.completed) == (3, 1)
