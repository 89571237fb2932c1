"""An agent after its process died, and after another model was bound: the same is said, nothing is done twice."""

import json

import pytest

from harness.exceptions import AnswerInvalid, NodeFailed, RequestRefused
from harness.models.messages import TextPart, ToolCallPart, ToolResultPart
from harness.tools import tool
from tests.workflow.nodes.agent.house import BY_SCHEMA, NATIVE, Death, Died, Houses, Tools


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    return Houses(tmp_path_factory.mktemp("agents"))


def look_up(number: int) -> dict:
    """Finds an invoice."""
    if number > 100:
        raise LookupError(f"no invoice {number}")
    return {"number": number, "paid": number % 2 == 0}


@tool(effect=True)
def send(to: str, idempotency_key: str) -> str:
    """Sends a letter."""
    return f"sent to {to}"


NATIVE_COURSE = """
- {turn: 0, tool_calls: [{name: look_up, arguments: {number: 17}}, {name: look_up, arguments: {number: 18}}]}
- {turn: 1, tool_call: {name: look_up, arguments: {number: 101}}}
- {turn: 2, tool_call: {name: send, arguments: {to: grace}}}
- {turn: 3, text: "Invoice 18 is paid, 17 is not."}
"""
JSON_COURSE = """
- {turn: 0, json: {action: look_up, arguments: {number: 17}}}
- {turn: 1, json: {action: look_up, arguments: {number: 101}}}
- {turn: 2, json: {action: send, arguments: {to: grace}}}
- {turn: 3, json: {action: answer, answer: "Invoice 17 is not paid."}}
"""


def parts(request, kind):
    return [part for message in request.messages for part in message.parts if isinstance(part, kind)]


@pytest.mark.parametrize(("replies", "can"), [(NATIVE_COURSE, NATIVE), (JSON_COURSE, BY_SCHEMA)])
def test_after_any_death_nothing_is_asked_or_called_twice_and_the_same_is_said(houses, replies, can):
    async def scenario(house):
        await house.bind(replies, can=can)
        whole = await house.begun(Tools(look_up, send))
        death = Death()
        expected = await whole.advanced(death)
        asked = [(ordinal, request) for ordinal, request, _ in whole.requests]
        for at in range(death.passed):
            tools = Tools(look_up, send)
            begun = await house.begun(tools)
            with pytest.raises(Died):
                await begun.advanced(Death(at))
            begun.requests.clear()
            assert await begun.advanced() == expected
            # The transcript that is rebuilt is the one that was built.
            assert [(ordinal, request) for ordinal, request, _ in begun.requests] == asked
            assert len(house.sends(begun.run_id)) == len(asked), f"asked twice after a death at {at}"
            # A call that had begun is repeated under its key; none has two keys.
            calls = {(name, str(arguments)): key for name, arguments, key in tools.calls}
            assert len({key for _, _, key in tools.calls}) == len(calls)
            assert len(tools.calls) <= len(calls) + 2, f"called again after a death at {at}"
        return death.passed

    assert houses(scenario) > 20


@pytest.mark.parametrize(("replies", "can"), [(NATIVE_COURSE, NATIVE), (JSON_COURSE, BY_SCHEMA)])
def test_what_was_done_and_what_was_told_is_not_done_again(houses, replies, can):
    async def scenario(house):
        await house.bind(replies, can=can)
        whole = Death()
        await (await house.begun(Tools(look_up, send))).advanced(whole)
        tools = Tools(look_up, send)
        begun = await house.begun(tools)
        with pytest.raises(Died):
            await begun.advanced(Death(whole.passed - 1))
        before = list(tools.calls)
        await begun.advanced()
        return before, tools.calls

    before, after = houses(scenario)
    assert [arguments for _, arguments, _ in before if arguments == {"number": 101}], (
        "the one that failed is among them"
    )
    assert after == before


def test_of_two_equal_calls_in_one_turn_each_keeps_its_own_result(houses):
    tries = []

    def flaky() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return f"try {len(tries)}"

    replies = "- {turn: 0, tool_calls: [{name: flaky}, {name: flaky}]}\n- {turn: 1, text: done}\n"

    async def scenario(house):
        await house.bind(replies)
        begun = await house.begun(Tools(flaky))
        await begun.advanced()
        first = begun.requests[-1][1]
        await begun.advanced()
        return first, begun.requests[-1][1], len(house.sends(begun.run_id))

    first, again, sends = houses(scenario)
    assert again == first
    assert sorted(part.failed for part in parts(first, ToolResultPart)) == [False, True]
    assert len(tries) == sends == 2


def test_the_loop_goes_on_with_a_model_that_is_bound_in_the_middle(houses):
    natively = """
- {turn: 0, tool_calls: [{name: look_up, arguments: {number: 1}}, {name: look_up, arguments: {number: 2}}]}
- {error: {status: 400, message: down}}
"""
    by_schema = """
- {turn: 2, json: {action: send, arguments: {to: ada}}}
- {turn: 3, json: {action: answer, answer: "by another"}}
"""

    async def scenario(house):
        await house.bind(natively)
        tools = Tools(look_up, send)
        begun = await house.begun(tools)
        with pytest.raises(RequestRefused, match="down"):
            await begun.advanced()
        await house.bind(by_schema, "other", can=BY_SCHEMA)
        answer = await begun.advanced()
        last = begun.requests[-1][1]
        made = house.sends(begun.run_id)
        await house.bind("- {text: never asked}\n", "third")
        begun.requests.clear()
        again = await begun.advanced()
        assert house.sends(begun.run_id) == made
        return answer, again, last, begun, tools

    answer, again, last, begun, tools = houses(scenario)
    assert answer == again == "by another"
    # What the first model said natively the second was shown as actions of its own.
    said = [message.text for message in last.messages if message.role == "assistant"]
    assert said[0] == '{"action":"look_up","arguments":{"number":1}}'
    assert not parts(last, ToolCallPart)
    assert [name for name, _, _ in tools.calls] == ["look_up", "look_up", "send"]
    # Nothing of it is asked again, though a third model is bound by then.
    assert all(replayed for _, _, replayed in begun.requests)


def test_a_native_model_goes_on_where_one_without_tool_calls_stopped(houses):
    async def scenario(house):
        await house.bind(
            "- {turn: 0, json: {action: look_up, arguments: {number: 1}}}\n- {error: {status: 400, message: down}}\n",
            can=BY_SCHEMA,
        )
        begun = await house.begun(Tools(look_up, send))
        with pytest.raises(RequestRefused, match="down"):
            await begun.advanced()
        await house.bind('- {when: "paid", text: "by another"}\n', "other")
        answer = await begun.advanced()
        return answer, begun.requests[-1][1]

    answer, last = houses(scenario)
    assert answer == "by another"
    (call,), (result,) = parts(last, ToolCallPart), parts(last, ToolResultPart)
    assert (call.name, json.loads(call.arguments), call.call_id) == ("look_up", {"number": 1}, result.call_id)
    assert not any("action" in part.text for part in parts(last, TextPart) if last.messages[0].text != part.text)


def test_what_failed_for_good_is_asked_anew_once_it_is_resumed_and_a_tool_that_works_again_is_called(houses):
    broken = [True]

    def fragile() -> str:
        if broken:
            raise OSError("out of order")
        return "works"

    async def scenario(house):
        await house.bind("- {when: works, text: done}\n- {tool_call: {name: fragile}}\n")
        tools = Tools(fragile)
        begun = await house.begun(tools, max_tool_errors=1)
        for sends in (2, 3):
            with pytest.raises(NodeFailed, match="out of order"):
                await begun.advanced()
            assert len(house.sends(begun.run_id)) == sends
        broken.clear()
        return await begun.advanced(), tools.calls, house.sends(begun.run_id)

    answer, calls, sends = houses(scenario)
    assert answer == "done"
    # It failed once and was told to the model, failed again for good in both processes, and then worked: all one call.
    assert len({key for _, _, key in calls}) == 1
    assert len(sends) == 4


def test_an_answer_outside_its_schema_is_asked_for_anew_once_it_is_resumed(houses):
    async def scenario(house):
        await house.bind("- {text: no}\n")
        begun = await house.begun(Tools(look_up), schema={"type": "integer"}, repair=0)
        with pytest.raises(AnswerInvalid):
            await begun.advanced()
        await house.bind('- {text: "3"}\n', "better")
        return await begun.advanced(), len(house.sends(begun.run_id))

    assert houses(scenario) == (3, 2)


def test_tools_are_shown_as_they_were_at_first_so_that_no_answer_is_lost(houses):
    async def scenario(house):
        await house.bind(NATIVE_COURSE)
        begun = await house.begun(Tools(look_up, send))
        await begun.advanced()
        before = len(house.sends(begun.run_id))

        def other(number: int, more: str = "") -> dict:
            """Finds an invoice, and says so at more length."""
            raise AssertionError("it was called before")

        begun.tools = Tools(look_up=other, send=send)
        begun.requests.clear()
        await begun.advanced()
        return before, len(house.sends(begun.run_id)), begun.requests

    before, after, requests = houses(scenario)
    assert before == after == 4
    assert requests[0][1].tools[0].description == "Finds an invoice."


def test_old_results_are_left_out_before_the_context_is_full_and_the_same_ones_after_a_death(houses):
    def read(page: int) -> str:
        return f"page {page} " + "x" * 3000

    course = "".join(f"- {{turn: {n}, tool_call: {{name: read, arguments: {{page: {n}}}}}}}\n" for n in range(4))

    async def scenario(house):
        await house.bind(f"{course}- {{text: done}}\n", context_tokens=4000)
        begun = await house.begun(Tools(read), max_output_tokens=1000)
        await begun.advanced()
        first = [request for _, request, _ in begun.requests]
        # A model with more room is bound by then; what was asked stays as it was asked.
        await house.bind("- {text: never asked}\n", "roomy")
        begun.requests.clear()
        await begun.advanced()
        return first, [request for _, request, _ in begun.requests], len(house.sends(begun.run_id))

    first, again, sends = houses(scenario)
    assert again == first
    assert sends == 5
    results = [part.text for part in parts(first[-1], ToolResultPart)]
    assert [text.startswith("[shortened: 3007 characters]") for text in results] == [True, True, False, False]
    assert all(sum(len(part.text) for part in parts(each, ToolResultPart)) < 9000 for each in first)


def test_old_results_are_left_out_where_the_provider_says_that_the_context_is_full(houses):
    def read(page: int) -> str:
        return f"page {page} " + "x" * 300

    course = "".join(f"- {{turn: {n}, tool_call: {{name: read, arguments: {{page: {n}}}}}}}\n" for n in range(3))
    full = "- {turn: 3, times: 1, error: {status: 400, code: context_length_exceeded, message: too long}}\n"

    async def scenario(house):
        await house.bind(f"{course}{full}- {{text: done}}\n")
        begun = await house.begun(Tools(read))
        answer = await begun.advanced()
        asked = [ordinal for ordinal, _, _ in begun.requests]
        last = begun.requests[-1][1]
        begun.requests.clear()
        assert await begun.advanced() == answer
        return asked, last, begun.requests, len(house.sends(begun.run_id))

    asked, last, again, sends = houses(scenario)
    assert asked == [ordinal for ordinal, _, _ in again] == [0, 1, 2, 4]
    assert sends == 5  # the refused one among them, which is not sent again
    results = [part.text for part in parts(last, ToolResultPart)]
    assert [text.startswith("[shortened:") for text in results] == [True, False, False]
