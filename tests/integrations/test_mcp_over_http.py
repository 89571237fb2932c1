"""Servers over HTTP, on loopback: both generations, their sizes, their errors, their sessions."""

import asyncio
import socket

import pytest

from harness.exceptions import ToolFailed
from tests.integrations.mcp_house import HERE, call_of, served


async def failure_of(awaitable):
    with pytest.raises(ToolFailed) as failed:
        await awaitable
    return failed.value


@pytest.mark.parametrize("kind", ["official_url", "official_json_url"])
def test_a_server_of_the_newer_protocol_is_spoken_to_in_it(house, request, kind):
    async def scenario(_):
        many = await asyncio.gather(*(house.call("shop.add", a=number, b=1) for number in range(10)))
        return await house.call("shop.era", key="run-7/pay"), many, await house.call("shop.picture")

    era, many, picture = house.at(request.getfixturevalue(kind)).run(scenario)
    assert era == {"protocol": "2026-07-28", "key": "run-7/pay"}
    assert many == [{"result": number + 1} for number in range(10)]
    assert picture == {"type": "image", "mime": "image/png", "bytes": 100}


@pytest.mark.parametrize("kind", ["official_url", "official_json_url"])
def test_an_answer_of_10_mb_is_refused_and_the_next_call_is_served(house, request, kind):
    async def scenario(_):
        return await failure_of(house.call("shop.big", size=10_000_000)), await house.call("shop.add", a=1, b=1)

    failed, answer = house.at(request.getfixturevalue(kind)).run(scenario)
    assert failed.reason.startswith("its answer is 10,000,")
    assert "max_result_bytes allows 1,000,000" in failed.reason
    assert answer == {"result": 2}


def test_a_result_within_its_bound_may_be_larger_than_one_event_usually_is(house, official_url):
    async def scenario(_):
        return await house.call("shop.big", size=3_000_000)

    assert len(house.at(official_url, max_result_bytes=4_000_000).run(scenario)) == 3_000_000


def test_a_server_of_the_older_protocol_has_one_session_that_is_ended(house, old_url):
    async def first(_):
        return await house.call("shop.echo", text="hello"), await house.call("shop.echo", text="ended")

    async def second(_):
        return await house.call("shop.echo", text="ended")

    house.at(old_url)
    assert house.run(first) == ("hello", "0")
    assert house.run(second) == "1"


@pytest.mark.parametrize("text", ["big", "big chunks", "big events"])
def test_an_old_server_that_answers_10_mb_is_measured_however_it_sends_them(house, old_url, text):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text=text)), await house.call("shop.echo", text="hello")

    failed, answer = house.at(old_url).run(scenario)
    assert failed.reason.startswith("its answer is 10,000,")
    assert answer == "hello"


@pytest.mark.parametrize(
    ("text", "words", "retryable"),
    [
        ("fail", "its server answered HTTP 500", True),
        ("drop", "its server gave no answer: the connection broke: ", True),
        ("packed", "its server gave no answer: it sent a compressed answer", True),
    ],
)
def test_a_call_that_goes_wrong_on_the_way_is_told_and_the_session_goes_on(house, old_url, text, words, retryable):
    async def scenario(_):
        return await failure_of(house.call("shop.echo", text=text)), await house.call("shop.echo", text="hello")

    failed, answer = house.at(old_url).run(scenario)
    assert failed.reason.startswith(words)
    assert failed.retryable is retryable
    assert answer == "hello"


def test_answers_are_asked_for_uncompressed(house, old_url):
    async def scenario(_):
        return await house.call("shop.echo", text="encoding")

    assert house.at(old_url).run(scenario) == "identity"


def test_a_call_that_hangs_runs_out_of_time_and_others_do_not(house, old_url):
    async def scenario(_):
        await house.call("shop.echo", text="hello")
        return await asyncio.gather(
            failure_of(house.call("shop.echo", text="hang")), house.call("shop.echo", text="hello")
        )

    failed, answer = house.at(old_url, timeout_seconds=1).run(scenario)
    assert failed.reason == "it did not answer within 1 s"
    assert answer == "hello"


def test_a_server_that_forgot_the_session_is_said_to_and_has_a_new_one_at_the_next_call(house, old_url):
    async def scenario(toolbox):
        tool = await toolbox.tool("shop.echo")
        await tool.call(call_of(text="forget"))
        failed = await failure_of(tool.call(call_of(text="hello")))
        return failed, await tool.call(call_of(text="hello"))

    failed, answer = house.at(old_url).run(scenario)
    assert failed.reason == "its server does not know the session any more"
    assert failed.retryable
    assert answer == "hello"


def test_nobody_at_the_address_is_said(house):
    async def scenario(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failed = house.at(f"http://127.0.0.1:{port}/mcp").run(scenario)
    assert failed.reason.startswith("it cannot be reached: ")
    assert failed.retryable


def test_a_server_that_stops_and_comes_back_is_reached_again(house):
    async def scenario(toolbox):
        with served(*old_server):
            tool = await toolbox.tool("shop.echo")
        failed = await failure_of(tool.call(call_of(text="hello")))
        with served(*old_server):
            # It never saw the session of the one before.
            return failed, await tool.call(call_of(text="hello"))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    old_server = (str(HERE / "mcp_server_old_http.py"), str(port))
    failed, answer = house.at(f"http://127.0.0.1:{port}/mcp").run(scenario)
    assert failed.reason.startswith("its server gave no answer: it cannot be reached")
    assert failed.retryable
    assert answer == "hello"


def test_a_header_is_taken_from_the_environment(house):
    async def scenario(_):
        return await house.call("shop.echo", text="hello")

    async def refused(toolbox):
        return await failure_of(toolbox.tool("shop.echo"))

    with served(str(HERE / "mcp_server_old_http.py"), SHOP_TOKEN="open-sesame") as url:
        house.environment["SHOP_TOKEN"] = "open-sesame"
        headers = {"Authorization": "Bearer env:SHOP_TOKEN"}
        assert house.at(url, headers=headers).run(scenario) == "hello"
        assert house.at(url).run(refused).reason == "it answered HTTP 401"
