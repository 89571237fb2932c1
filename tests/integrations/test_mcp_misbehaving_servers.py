"""Servers that die, lie, hang, flood and mumble: each is an error one can act on, and the next call is served."""

import asyncio
import os
import tracemalloc

import pytest

from harness.exceptions import ToolChanged, ToolFailed
from harness.integrations.mcp_pins import PinState
from tests.integrations.mcp_house import call_of, processes_with


async def until(true):
    """Wait for what another process does."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def failure_of(awaitable):
    with pytest.raises(ToolFailed) as failed:
        await awaitable
    return failed.value


# --- it dies


def test_a_server_that_dies_in_a_call_is_said_to_and_not_asked_again_until_the_next_call(house):
    async def scenario(_):
        failed = await failure_of(house.call("shop.echo", key="run-1/pay", text="die"))
        calls = len(house.written("calls"))
        return failed, calls, await house.call("shop.echo", key="run-1/pay", text="hello")

    failed, calls, answer = house.old(effect=True).run(scenario)
    assert failed.tool == "shop.echo"
    assert failed.retryable
    assert "its server went away during the call: its process ended with exit code 3" in failed.reason
    assert calls == 1
    assert answer == "hello"
    assert len(house.written("starts")) == 2
    # Who repeats a call does it under the same key, so that a server can tell.
    assert set(house.written("calls")) == {'{"idempotencyKey": "run-1/pay"}'}


def test_the_last_words_of_a_server_are_told_without_secrets(house):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text="die"))

    reason = house.old().run(scenario).reason
    assert "its last words on stderr: 'out of order, key [redacted]'" in reason
    assert "s3cr3t" not in reason


def test_a_server_that_died_between_two_calls_is_started_anew(house):
    async def scenario(toolbox):
        tool = await toolbox.tool("shop.echo")
        (pid,) = house.written("starts")
        os.kill(int(pid), 9)
        await until(lambda: int(pid) not in processes_with(house.mark))
        try:
            # The pipe may not have said so yet: then this call still meets the end of the old one.
            return await tool.call(call_of(text="hello"))
        except ToolFailed:
            return await tool.call(call_of(text="hello"))

    assert house.old().run(scenario) == "hello"
    assert len(house.written("starts")) == 2


def test_calls_under_way_beside_one_that_kills_the_server_end_with_it(house):
    async def scenario(_):
        await house.toolbox.tool("shop.echo")
        return await asyncio.gather(*(failure_of(house.call("shop.echo", text=text)) for text in ("die", "a", "b")))

    failed = house.old().run(scenario)
    assert all("its server went away during the call" in each.reason and each.retryable for each in failed)
    assert len(house.written("calls")) == 1


def test_a_server_that_ends_at_its_start_says_why(house):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    reason = house.old("exit").run(scenario).reason
    assert "it ended before it answered: its process ended with exit code 4" in reason
    assert "no module named shop" in reason


def test_a_command_that_is_not_there_is_named(house):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    house.old()
    house.servers["shop"] = house.servers["shop"].model_copy(update={"command": ("no-such-program-here",)})
    assert "cannot be started: No such file or directory" in house.run(scenario).reason


# --- it hangs


def test_a_server_that_never_answers_is_given_up_in_time_and_ended(house, impatient):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    failed = house.old("deaf", timeout_seconds=1).run(scenario)
    assert failed.reason == "it did not answer within 1 s"
    assert failed.retryable


def test_a_call_that_hangs_runs_out_of_time_and_the_next_finds_a_server_that_answers(house, impatient):
    async def scenario(_):
        failed = await failure_of(house.call("shop.echo", text="hang once"))
        return failed, await house.call("shop.echo", text="hello")

    failed, answer = house.old(timeout_seconds=1).run(scenario)
    assert failed.reason == "it did not answer within 1 s"
    assert failed.retryable
    assert answer == "hello"
    assert len(house.written("starts")) == 2
    assert len(house.written("calls")) == 2


def test_a_caller_that_is_cancelled_leaves_a_toolbox_that_works(house, impatient):
    async def scenario(_):
        task = asyncio.create_task(house.call("shop.echo", text="hang once"))
        await until(lambda: house.written("calls"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await house.call("shop.echo", text="hello")

    assert house.old(timeout_seconds=1).run(scenario) == "hello"


# --- it answers too much


@pytest.mark.parametrize("text", ["big", "big, id last"])
def test_an_answer_of_10_mb_is_counted_and_thrown_away_and_the_session_goes_on(house, text):
    async def scenario(_):
        await house.call("shop.echo", text="hello")
        tracemalloc.start()
        try:
            failed = await failure_of(house.call("shop.echo", text=text))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        return failed, peak, await house.call("shop.echo", text="hello")

    failed, peak, answer = house.old(max_result_bytes=200_000).run(scenario)
    assert failed.reason.startswith("its answer is 10,000,0")
    assert "max_result_bytes allows 200,000" in failed.reason
    assert not failed.retryable
    assert peak < 3_000_000
    assert answer == "hello"
    assert len(house.written("starts")) == 1


def test_an_answer_that_fits_on_the_wire_but_is_too_long_as_a_result_is_refused_by_its_own_size(house):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text="bigger than it may be"))

    assert (
        house.old()
        .run(scenario)
        .reason.startswith("its answer is 1,500,002 bytes long, and max_result_bytes allows 1,000,000")
    )


def test_a_large_answer_of_one_call_does_not_touch_the_one_beside_it(house):
    async def scenario(_):
        await house.toolbox.tool("shop.echo")
        return await asyncio.gather(
            failure_of(house.call("shop.echo", text="big")), house.call("shop.echo", text="hello")
        )

    failed, answer = house.old(max_result_bytes=10_000).run(scenario)
    assert "10,000,0" in failed.reason
    assert answer == "hello"


# --- it lies


def test_schemas_that_are_none_turn_off_their_tools_and_no_others(house):
    async def scenario(toolbox):
        wrong = {
            name: (await failure_of(toolbox.tool(f"shop.{name}"))).reason for name in ("wrong", "away", "promises")
        }
        states = {each.tool: each.state for each in await toolbox.review("shop")}
        return wrong, states, [spec.name for spec in await toolbox.tools("shop")]

    wrong, states, usable = house.old("bad schema").run(scenario)
    assert "its input schema is no JSON Schema that can be used" in wrong["wrong"]
    assert "'strin' is not" in wrong["wrong"]
    assert "leaves the schema" in wrong["away"]
    assert "its output schema is no JSON Schema that can be used" in wrong["promises"]
    assert states["wrong"] is states["away"] is states["promises"] is PinState.UNUSABLE
    assert usable == ["shop.echo"]


def test_a_list_outside_the_protocol_is_said_with_its_place(house):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    assert (
        "what it answered is outside the protocol: tools.1.inputSchema.type"
        in house.old("no object").run(scenario).reason
    )


def test_a_name_that_is_listed_twice_is_off(house):
    async def scenario(toolbox):
        failed = await failure_of(toolbox.tool("shop.other"))
        return failed.reason, [spec.name for spec in await toolbox.tools("shop")]

    reason, usable = house.old("twice").run(scenario)
    assert "its server lists 2 tools of this name" in reason
    assert usable == ["shop.echo"]


def test_names_that_no_vendor_takes_are_off_and_shown_plainly(house):
    async def scenario(toolbox):
        usable = [spec.name for spec in await toolbox.tools("shop")]
        return usable, [each for each in await toolbox.review("shop") if each.state is PinState.UNUSABLE]

    usable, off = house.old("names").run(scenario)
    assert usable == ["shop.echo"]
    assert [each.tool for each in off] == ["../../etc", "wipe\\u202e all"]


def test_a_result_that_is_not_what_was_promised_is_refused(house):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text="hello"))

    failed = house.old("broken promise").run(scenario)
    assert "what it answered is not what it promises: " in failed.reason
    assert "'two' is not of type 'integer'" in failed.reason
    assert not failed.retryable


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("endless", "its list of tools has no end after 100 pages"),
        ("many", "it lists more than 1,000 tools"),
        ("long list", "its list of tools is 5,000,1"),
    ],
)
def test_a_list_without_measure_is_left(house, mode, words):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    assert house.old(mode).run(scenario).reason.startswith(words)


def test_a_tool_that_is_gone_at_the_call_is_asked_about_before_the_next(house):
    async def scenario(toolbox):
        tool = await toolbox.tool("shop.echo")
        failed = await failure_of(tool.call(call_of(text="unknown")))
        (house.folder / "described.json").write_text("[]", encoding="utf-8")
        return failed.reason, (await failure_of(tool.call(call_of(text="again")))).reason

    first, second = house.old().run(scenario)
    assert first == "its server refused the call (-32602): Unknown tool: echo"
    assert second == "its server does not have it any more"
    assert len(house.written("calls")) == 1


def test_a_server_that_comes_back_with_another_tool_is_not_called(house):
    async def scenario(toolbox):
        tool = await toolbox.tool("shop.echo")
        await failure_of(tool.call(call_of(text="die")))
        other = '[{"name": "echo", "description": "Sends it away.", "inputSchema": {"type": "object"}}]'
        (house.folder / "described.json").write_text(other, encoding="utf-8")
        with pytest.raises(ToolChanged, match="Sends it away"):
            await tool.call(call_of(text="again"))

    house.old().run(scenario)
    assert len(house.written("calls")) == 1


# --- it mumbles


def test_words_on_stdout_that_are_no_messages_are_passed_over(house):
    async def scenario(_):
        return await house.call("shop.echo", text="hello")

    assert house.old("banner").run(scenario) == "hello"


def test_a_server_that_says_nothing_else_is_ended_and_quoted(house, impatient):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    assert "on stdout it wrote what is no message of the protocol: 'neither this'" in (
        house.old("gibberish", timeout_seconds=1).run(scenario).reason
    )


def test_a_flood_of_lines_that_are_no_messages_ends_the_server(house):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text="flood")), await house.call("shop.echo", text="hello")

    failed, answer = house.old().run(scenario)
    assert "lines that are no messages, and was ended" in failed.reason
    assert answer == "hello"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unreadable", "what it answered is no message of the protocol: "),
        ("outside", "what it answered is outside the protocol: "),
        ("not a number", "what it answered is no JSON"),
        ("refuse", "its server refused the call (-32000): not on \\u001b[5mMondays"),
    ],
)
def test_answers_that_are_none_are_errors_at_once_and_the_session_goes_on(house, text, words):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text=text)), await house.call("shop.echo", text="hello")

    failed, answer = house.old().run(scenario)
    assert words in failed.reason
    assert "\x1b" not in failed.reason
    assert answer == "hello"
    assert len(house.written("starts")) == 1


def test_a_server_that_asks_for_a_models_answer_is_declined(house):
    async def scenario(_):
        return await house.call("shop.echo", text="ask")

    assert "not supported" in house.old().run(scenario)


def test_a_tool_that_asks_the_user_is_declined_in_both_generations(house):
    async def scenario(_):
        return await failure_of(house.call("new.asks")), await failure_of(house.call("shop.echo", text="state first"))

    asks, state = house.official("new").old("newer").run(scenario)
    assert "elicitation/create" in asks.reason
    assert state.reason == "it wants to ask the user or a model first, which a tool here cannot"
