"""A role as a chat model: asked from any thread and any loop, streamed, metered, capped, charged to a task."""

import asyncio
import pickle
import threading
from decimal import Decimal

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.load.dump import dumps
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from pydantic import BaseModel

from harness.exceptions import BudgetExceeded, ConfigurationInvalid, Overloaded
from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.charged_task import ChargedTask
from harness.integrations.langchain.houses import HOUSES
from tests.integrations.langchain_house import costs_of, house_of, project, server, set_cap


@pytest.fixture
def loopback():
    with server() as running:
        yield running


@pytest.fixture
def folder(tmp_path, loopback, monkeypatch):
    monkeypatch.setenv("HARNESS_PERSON", "ada")
    replies = [
        {"when": "weather", "tool_call": {"name": "weather", "arguments": {"city": "Paris"}}},
        {"when": "overloaded", "times": 1, "error": {"status": 503}},
        {"when": "overloaded", "text": "better now"},
        {"text": "fine thanks", "usage": {"input": 12, "output": 4}},
    ]
    yield project(tmp_path, replies=replies, base_url=loopback.base_url)
    HOUSES.close_folder(tmp_path)


@pytest.fixture
def writer(folder):
    return HarnessChatModel(role="writer", folder=folder)


@pytest.fixture
def asking(folder):
    """The role that the loopback server fills."""
    return HarnessChatModel(role="server", folder=folder)


def test_an_answer_says_who_gave_it_what_it_used_and_what_it_cost(writer):
    answer = writer.invoke("hello")
    assert answer.content == "fine thanks"
    assert answer.usage_metadata == {"input_tokens": 12, "output_tokens": 4, "total_tokens": 16}
    told = answer.response_metadata
    assert (told["model_name"], told["finish_reason"], told["finish_reason_raw"]) == ("scripted", "stop", "stop")
    assert Decimal(told["cost_usd"]) == Decimal("0.00002")  # 12 and 4 tokens, at 1 and 2 dollars a million


def test_cached_tokens_and_the_request_id_are_told(asking):
    answer = asking.invoke("hello")
    assert answer.usage_metadata["input_token_details"] == {"cache_read": 1}
    assert answer.response_metadata["request_id"] == "req_loopback"


def test_a_stream_brings_pieces_before_its_end_and_adds_up_to_the_whole(asking):
    pieces = list(asking.stream("hello there"))
    assert len([piece for piece in pieces if piece.content]) > 3
    assert all(piece.usage_metadata is None for piece in pieces[:-1])
    whole = sum(pieces[1:], start=pieces[0])
    assert isinstance(whole, AIMessageChunk)
    assert whole.content == "You said: hello there ✓"
    answer = asking.invoke("hello there")
    assert whole.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]
    assert whole.response_metadata["finish_reason"] == "stop"


def test_the_first_piece_is_there_before_the_rest_was_read(folder):
    model = HarnessChatModel(role="server", folder=folder)
    heard = model.stream("hello " * 200)
    assert next(heard).content
    heard.close()


def test_asynchronous_callers_are_served_in_any_number_of_loops(writer):
    async def main():
        whole = [piece.content async for piece in writer.astream("hello")]
        return (await writer.ainvoke("hello")).content, "".join(whole)

    for _ in range(3):
        assert asyncio.run(main()) == ("fine thanks", "fine thanks")


def test_a_house_in_a_loop_is_asked_there_and_by_threads_beside_it(folder):
    async def main():
        async with house_of(folder) as house:
            model = HarnessChatModel(role="writer", house=house)
            there = (await model.ainvoke("hello")).content
            beside = (await asyncio.to_thread(model.invoke, "hello")).content
            return there, beside, [piece.content async for piece in model.astream("hello")]

    assert asyncio.run(main()) == ("fine thanks", "fine thanks", ["fine thanks", ""])


def test_waiting_in_the_loop_that_would_answer_is_refused_not_hung(folder):
    async def main():
        async with house_of(folder) as house:
            model = HarnessChatModel(role="writer", house=house)
            with pytest.raises(ConfigurationInvalid, match="ainvoke"):
                model.invoke("hello")
            with pytest.raises(ConfigurationInvalid, match="ainvoke"):
                list(model.stream("hello"))

    asyncio.run(main())


def test_a_synchronous_caller_inside_a_loop_is_served_by_a_folders_house(writer):
    async def main():
        return writer.invoke("hello").content

    assert asyncio.run(main()) == "fine thanks"


def test_a_house_whose_loop_has_ended_is_said_to_be_so(folder):
    async def made():
        return HarnessChatModel(role="writer", house=house_of(folder))

    model = asyncio.run(made())
    with pytest.raises(ConfigurationInvalid, match="has ended"):
        model.invoke("hello")
    asyncio.run(model.house.close())


def test_many_threads_ask_at_once(writer):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(writer.invoke("hello").content)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["fine thanks"] * 12


def test_asking_the_same_again_is_a_call_of_its_own(writer, folder):
    writer.invoke("hello")
    writer.invoke("hello")
    writer.batch(["hello", "hello"])
    writer.close()
    assert costs_of(folder)["langchain"].calls == 4


def test_dollars_a_completed_task_are_told_by_kind(folder):
    with HarnessChatModel(role="writer", folder=folder, task_kind="letter") as model:
        model.invoke("hello")
        other = model.for_task("letter-2")
        other.invoke("hello")
        model.outcome(success=True, evidence="read by ada")
        asyncio.run(other.aoutcome(success=False, evidence="read by ada"))
        assert (other.task_id, model.task_id != "letter-2") == ("letter-2", True)
    line = costs_of(folder)["letter"]
    assert (line.calls, line.completed, line.failed) == (2, 1, 1)
    assert line.usd_per_completed == Decimal("0.00004")


def test_two_objects_that_charge_one_task_answer_nothing_from_each_others_journal(folder):
    for _ in range(2):
        model = HarnessChatModel(role="writer", folder=folder, task="shared")
        model.invoke("hello")
        model.close()
    assert costs_of(folder)["langchain"].calls == 2


def test_a_place_is_new_for_each_object():
    ids = iter(["a", "b"])
    assert [ChargedTask(kind="x", new_id=lambda: next(ids))._path for _ in range(2)] == ["langchain-a", "langchain-b"]


def test_a_cap_goes_through_langchain_as_it_is_and_nothing_is_sent(asking, folder, loopback):
    set_cap(folder, 1)
    asking.invoke("hello")
    with pytest.raises(BudgetExceeded) as refused:
        asking.invoke("hello again")
    assert len(loopback.requests) == 1
    again = pickle.loads(pickle.dumps(refused.value))
    assert (again.scope, again.limit, again.retryable) == ("person:ada", refused.value.limit, False)
    with pytest.raises(BudgetExceeded):
        list(asking.stream("hello again"))
    assert len(loopback.requests) == 1


def test_langchains_fallbacks_answer_a_refusal(asking, folder):
    set_cap(folder, 0)
    either = asking.with_fallbacks([FakeListChatModel(responses=["from elsewhere"])])
    assert either.invoke("hello").content == "from elsewhere"


def test_langchains_retries_ask_anew(folder, monkeypatch):
    monkeypatch.setenv("HARNESS_CALL_ATTEMPTS", "1")
    model = HarnessChatModel(role="writer", folder=folder)
    with pytest.raises(Overloaded):
        model.invoke("overloaded")
    model.close()
    again = model.with_retry(retry_if_exception_type=(Overloaded,), wait_exponential_jitter=False, stop_after_attempt=2)
    assert again.invoke("overloaded").content == "better now"


def test_callbacks_hear_tokens_and_usage(asking):
    tokens = []

    class Tokens(BaseCallbackHandler):
        def on_llm_new_token(self, token, **_):
            tokens.append(token)

    usage = UsageMetadataCallbackHandler()
    list(asking.stream("hello", config={"callbacks": [Tokens()]}))
    asking.invoke("hello", config={"callbacks": [usage]})
    assert "".join(tokens) == "You said: hello ✓"
    assert usage.usage_metadata["there"]["output_tokens"] > 0


def test_what_is_said_of_a_call_reaches_the_wire(folder, loopback):
    model = HarnessChatModel(role="server", folder=folder, temperature=0.25, max_output_tokens=99, seed=7, stop=["END"])
    model.invoke("hello")
    model.invoke("hello", stop=["HALT"], temperature=0.5, max_tokens=9)
    first, second = loopback.requests
    limit = next(name for name in ("max_tokens", "max_completion_tokens") if name in first)
    assert (first["temperature"], first[limit], first["seed"], first["stop"]) == (0.25, 99, 7, ["END"])
    assert (second["temperature"], second[limit], second["stop"]) == (0.5, 9, ["HALT"])


def test_an_argument_that_no_role_can_be_given_is_refused(writer):
    with pytest.raises(ConfigurationInvalid, match="logit_bias"):
        writer.invoke("hello", logit_bias={})


class Weather(BaseModel):
    """Says the weather."""

    city: str


def look(city: str) -> str:
    """Looks out of the window."""
    return city


@tool
def measure(city: str, times: int = 1) -> str:
    """Reads a thermometer."""
    return city * times


def test_tools_of_every_form_reach_the_wire(asking, loopback):
    given = {"name": "written", "description": "By hand.", "parameters": {"type": "object", "properties": {}}}
    asking.bind_tools([Weather, look, measure, {"type": "function", "function": given}]).invoke("hello")
    sent = [each["function"] for each in loopback.requests[0]["tools"]]
    assert [each["name"] for each in sent] == ["Weather", "look", "measure", "written"]
    assert [each["description"] for each in sent][:3] == [
        "Says the weather.",
        "Looks out of the window.",
        "Reads a thermometer.",
    ]
    assert sent[2]["parameters"]["properties"]["times"]["type"] == "integer"
    assert sent[2]["parameters"]["required"] == ["city"]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("any", "required"),
        (True, "required"),
        ("required", "required"),
        ("none", "none"),
        ("look", {"type": "function", "function": {"name": "look"}}),
        ({"type": "function", "function": {"name": "look"}}, {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_a_choice_of_tool_reaches_the_wire(asking, loopback, choice, sent):
    asking.bind_tools([look, measure], tool_choice=choice, parallel_tool_calls=False, strict=True).invoke("hello")
    assert loopback.requests[0]["tool_choice"] == sent
    assert loopback.requests[0]["parallel_tool_calls"] is False


def test_tools_that_are_none_and_choices_of_none_are_refused(asking):
    with pytest.raises(ConfigurationInvalid, match="web_search"):
        asking.bind_tools([{"type": "web_search_preview"}])
    with pytest.raises(ConfigurationInvalid, match="look"):
        asking.bind_tools([look], tool_choice="lok")


def test_a_call_of_a_tool_comes_whole_and_in_chunks(writer):
    able = writer.bind_tools([look])
    calls = able.invoke("weather").tool_calls
    assert [(call["name"], call["args"]) for call in calls] == [("weather", {"city": "Paris"})]
    pieces = list(able.stream("weather"))
    assert any(piece.tool_call_chunks for piece in pieces[:-1])
    assert sum(pieces[1:], start=pieces[0]).tool_calls == calls


def test_nothing_of_the_house_is_shown_or_serialised(folder, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-verysecretverysecret")
    house = house_of(folder)
    model = HarnessChatModel(role="writer", house=house, temperature=0.5)
    assert not model.is_lc_serializable()
    shown = repr(model) + str(model) + dumps(model) + str(model.model_dump()) + str(model.asdict())
    assert "verysecret" not in shown
    assert "Harness object" not in shown
    assert "writer" in shown
    asyncio.run(house.close())


def test_a_role_can_be_configured_at_run_time(folder):
    model = HarnessChatModel(role="nobody", folder=folder).configurable_fields(role=ConfigurableField(id="role"))
    assert model.invoke("hello", config={"configurable": {"role": "writer"}}).content == "fine thanks"
