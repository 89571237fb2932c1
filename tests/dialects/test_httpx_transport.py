import asyncio
import json
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Test folders are no packages, and this one is a program too.
from loopback_server import LoopbackServer

from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.wire import WireRequest
from harness.exceptions import (
    Broken,
    ContextTooLong,
    Overloaded,
    QuotaSpent,
    RateLimited,
    RequestRefused,
    Unreachable,
)
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelRequest, ReplyEnd, TextDelta, user
from tests.dialects.wire_targets import origin_of, target_of

CHAT = OpenAIChat()


def asked(model, base_url, *, stream=False, seconds=10.0):
    endpoint = Endpoint(base_url=base_url, timeout_seconds=seconds)
    known = Model(endpoint="there", wire_name=model, context_tokens=1000)
    request = ModelRequest(messages=(user("Grüße ✓ aus Köln"),), max_output_tokens=9)
    return CHAT.encode(request, target_of(known, endpoint, base_url=base_url), stream=stream)


async def call(transport, request):
    response = await transport.send(request)
    if response.status != 200:
        raise CHAT.error(response, "there")
    return CHAT.decode(response, origin_of())


async def streamed(transport, request):
    async with transport.stream(request) as answer:
        decoder = CHAT.stream_decoder(origin_of(), answer.headers)
        events = []
        async for chunk in answer.chunks():
            events += decoder.feed(chunk)
        return events + decoder.end()


def served(scenario, **options):
    """Run a scenario of (transport, base_url, server) against a server of its own."""

    async def run():
        server = await LoopbackServer().start()
        transport = HttpxTransport("there", **options)
        try:
            return await scenario(transport, server.base_url, server)
        finally:
            await transport.close()
            await transport.close()
            await server.close()

    return asyncio.run(run())


def test_a_call_comes_back_with_its_words_usage_and_request_id():
    reply = served(lambda transport, url, _: call(transport, asked("normal", url)))
    assert reply.text == "You said: Grüße ✓ aus Köln ✓"
    assert reply.usage.known
    assert reply.request_id == "req_loopback"


@pytest.mark.parametrize("kind", ["normal", "torn"])
def test_a_stream_says_the_same_as_the_whole_answer(kind):
    async def both(transport, url, _):
        return await streamed(transport, asked(kind, url, stream=True)), await call(transport, asked(kind, url))

    events, whole = served(both)
    assert isinstance(events[-1], ReplyEnd)
    assert events[-1].reply.message == whole.message
    assert events[-1].reply.usage == whole.usage
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == whole.text


@pytest.mark.parametrize(
    ("kind", "error"),
    [("429", RateLimited), ("500", Overloaded), ("context", ContextTooLong), ("quota", QuotaSpent)],
)
def test_an_error_status_is_its_class_with_wait_and_request_id(kind, error):
    with pytest.raises(error) as caught:
        served(lambda transport, url, _: call(transport, asked(kind, url)))
    assert (caught.value.retry_after_seconds, caught.value.request_id) == (2, "req_loopback")


@pytest.mark.parametrize("kind", ["cut", "not-json"])
def test_an_answer_that_breaks_is_broken_and_may_have_been_billed(kind):
    with pytest.raises(Broken) as caught:
        served(lambda transport, url, _: call(transport, asked(kind, url)))
    assert caught.value.maybe_billed


def test_a_stream_that_ends_early_is_broken():
    with pytest.raises(Broken):
        served(lambda transport, url, _: streamed(transport, asked("cut-stream", url, stream=True)))


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_no_answer_in_time_is_broken_even_when_bytes_keep_coming(kind):
    started = time.monotonic()
    with pytest.raises(Broken):
        served(lambda transport, url, _: call(transport, asked(kind, url, seconds=0.3)))
    assert time.monotonic() - started < 5


def test_an_answer_without_an_end_is_cut_off():
    with pytest.raises(Broken, match="longer than 3,000,000 bytes"):
        served(lambda transport, url, _: call(transport, asked("huge", url)), max_response_bytes=3_000_000)


def test_no_connection_is_unreachable_and_was_not_billed():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        request = asked("normal", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(Unreachable) as caught:
            asyncio.run(HttpxTransport("there").send(request))
    assert caught.value.retryable
    assert not caught.value.maybe_billed


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1/x", "http://127.0.0.1:99999/x", f"http://{'a' * 70}.x/"])
def test_an_address_that_cannot_be_used_is_refused(url):
    with pytest.raises((RequestRefused, Unreachable)):
        asyncio.run(HttpxTransport("there").send(WireRequest("POST", url, {}, b"", 1)))


def test_loopback_is_never_asked_through_a_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert served(lambda transport, url, _: call(transport, asked("normal", url))).text


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("ALL_PROXY", "ftp://u:secret@127.0.0.1:9", "ALL_PROXY"),
        ("HTTPS_PROXY", "::::", "HTTPS_PROXY"),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem", "SSL_CERT_FILE"),
    ],
)
def test_a_proxy_or_certificates_that_cannot_be_used_refuse_the_request_and_bill_nothing(
    monkeypatch, variable, value, named
):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(RequestRefused) as caught:
        asyncio.run(HttpxTransport("there").send(WireRequest("POST", "https://there.invalid/v1", {}, b"{}", 1)))
    assert named in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not caught.value.maybe_billed


def test_a_proxy_of_the_environment_is_asked_for_the_world_outside(monkeypatch):
    async def through(transport, _url, server):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        reply = await call(transport, asked("normal", "http://there.invalid/v1"))
        return reply.text, len(server.requests)

    text, requests = served(through)
    assert text
    assert requests == 1


def test_nothing_is_tried_twice():
    async def failing(transport, url, server):
        with pytest.raises(Overloaded):
            await call(transport, asked("500", url))
        with pytest.raises(Broken):
            await call(transport, asked("cut", url))
        return len(server.requests)

    assert served(failing) == 2


def test_leaving_a_stream_closes_its_connection():
    async def left(transport, url, server):
        async with transport.stream(asked("drip", url)) as answer:
            await anext(answer.chunks())
        await asyncio.wait_for(server.disconnected.wait(), 10)
        return len(server.requests)

    assert served(left) == 1


def test_the_server_runs_as_a_program_that_logs_requests_and_ends_with_its_input(tmp_path):
    async def run():
        program = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).parent / "loopback_server.py"), "--log", str(tmp_path / "log"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        port = int(await program.stdout.readline())
        transport = HttpxTransport("there")
        await call(transport, asked("normal", f"http://127.0.0.1:{port}/v1"))
        await transport.close()
        program.stdin.close()
        return await program.wait()

    assert asyncio.run(run()) == 0
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["body"]["model"] == "normal"
