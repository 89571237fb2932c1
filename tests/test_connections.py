"""Endpoints are opened as they are bound now: their transport is kept, their key is read each time."""

import asyncio
import subprocess
import sys

import pytest
from pydantic import SecretStr

from harness.connections import EndpointConnections
from harness.dialects.dialect import WireTarget
from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.known_dialects import DIALECTS
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.scripted.transport import ScriptedTransport
from harness.dialects.wire import WireRequest
from harness.exceptions import ConfigurationInvalid, KeyRefused, SpecificationInvalid
from harness.local_models.launcher import LocalModelServers
from harness.metering.connection import Connection
from harness.models.catalogue import DialectName, Endpoint, Model
from harness.models.messages import ModelRequest, Origin, user
from harness.routing.decision import Target
from tests.dialects.loopback_server import LoopbackServer


def target(name="there", **endpoint):
    given = {"base_url": "http://127.0.0.1:9/v1"} if not {"gguf", "scripted_replies"} & endpoint.keys() else {}
    model = Model(endpoint=name, wire_name="wire", context_tokens=512)
    return Target("small", model, name, Endpoint(**given | endpoint))


@pytest.fixture
def environment():
    return {}


@pytest.fixture
def connections(tmp_path, environment):
    made = EndpointConnections(
        folder=tmp_path, environment=environment, local_models=LocalModelServers(tmp_path / "logs")
    )
    yield made
    asyncio.run(made.close())


def opened(connections, wanted):
    return asyncio.run(connections.open(wanted))


async def answered(connections, wanted):
    there = await connections.open(wanted)
    wire = there.dialect.encode(
        ModelRequest(messages=(user("hello"),), max_output_tokens=9), there.target, stream=False
    )
    return there.dialect.decode(await there.transport.send(wire), there.target.origin).text


def test_an_endpoint_with_an_address_is_asked_there(connections):
    async def main():
        server = await LoopbackServer().start()
        try:
            return await answered(connections, target(base_url=server.base_url))
        finally:
            await connections.close()
            await server.close()

    assert asyncio.run(main()) == "You said: hello ✓"


def test_scripted_replies_are_read_from_the_projects_folder(connections, tmp_path):
    (tmp_path / "replies.yaml").write_text('replies: [{text: "fine"}]')
    wanted = target(scripted_replies="replies.yaml")
    assert isinstance(opened(connections, wanted).transport, ScriptedTransport)
    assert asyncio.run(answered(connections, wanted)) == "fine"


def test_scripted_replies_that_are_not_there_are_refused_by_their_path(connections, tmp_path):
    with pytest.raises(SpecificationInvalid, match=r"nowhere\.yaml"):
        opened(connections, target(scripted_replies="nowhere.yaml"))


def test_an_endpoint_keeps_its_transport_until_it_is_bound_anew(connections):
    first = opened(connections, target())
    assert isinstance(first.transport, HttpxTransport)
    assert opened(connections, target()).transport is first.transport
    assert opened(connections, target("elsewhere")).transport is not first.transport
    anew = opened(connections, target(base_url="http://127.0.0.1:10/v1"))
    assert anew.transport is not first.transport
    assert anew.target.base_url == "http://127.0.0.1:10/v1"


def test_the_times_that_a_scripted_reply_is_left_are_those_of_its_transport(connections, tmp_path):
    (tmp_path / "replies.yaml").write_text('replies: [{text: "once", times: 1}, {text: "later"}]')
    wanted = target(scripted_replies="replies.yaml")
    assert [asyncio.run(answered(connections, wanted)) for _ in range(2)] == ["once", "later"]


def test_a_key_is_read_at_each_opening_without_the_space_around_it(connections, environment):
    wanted = target(api_key_env="THERE_KEY")
    environment["THERE_KEY"] = " first\n"
    assert opened(connections, wanted).target.api_key == SecretStr("first")
    environment["THERE_KEY"] = "second"
    assert opened(connections, wanted).target.api_key == SecretStr("second")


@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_missing_key_names_the_variable_and_is_not_looked_for_elsewhere(connections, environment, monkeypatch, value):
    monkeypatch.setenv("THERE_KEY", "of the process")
    if value is not None:
        environment["THERE_KEY"] = value
    with pytest.raises(KeyRefused, match="THERE_KEY") as caught:
        opened(connections, target(api_key_env="THERE_KEY"))
    assert not caught.value.maybe_billed
    assert "of the process" not in str(caught.value)


def test_an_endpoint_that_names_no_key_gets_none(connections, environment):
    environment.update(OPENAI_API_KEY="other", API_KEY="other")
    assert opened(connections, target()).target.api_key is None


def test_a_key_file_is_read_at_each_opening_from_the_projects_folder(connections, tmp_path):
    wanted = target(api_key_file="there.key")
    with pytest.raises(KeyRefused, match=r"there\.key"):
        opened(connections, wanted)
    for key in ("first", "second"):
        (tmp_path / "there.key").write_text(f"{key}\n")
        assert opened(connections, wanted).target.api_key == SecretStr(key)


def test_keys_of_one_endpoint_are_told_apart_by_their_stamp_and_none_is_in_it(connections, environment):
    wanted = target(api_key_env="THERE_KEY")
    stamps = []
    for key in ("first-key", "second-key", "first-key"):
        environment["THERE_KEY"] = key
        origin = opened(connections, wanted).target.origin
        assert (origin.dialect, origin.endpoint, origin.model) == ("openai_chat", "there", "wire")
        assert key not in origin.model_dump_json()
        stamps.append(origin.account)
    assert stamps[0] == stamps[2] != stamps[1]
    assert opened(connections, target()).target.origin.account is None


@pytest.mark.parametrize("dialect", [each for each in DialectName if each is not DialectName.LANGCHAIN])
def test_every_wire_of_the_catalogue_is_spoken(connections, dialect):
    there = opened(connections, target(dialect=dialect))
    request = ModelRequest(messages=(user("hello"),), max_output_tokens=2000)
    wire = there.dialect.encode(request, there.target, stream=False)
    assert wire.url.startswith("http://127.0.0.1:9/v1")
    assert b"hello" in wire.body
    assert there.target.origin.dialect == dialect
    assert (there.embedding is None) == (dialect is DialectName.ANTHROPIC_MESSAGES)
    if there.embedding is not None:
        assert there.embedding.texts_at_once(there.target.model, there.target.endpoint) >= 1


def test_every_dialect_that_the_catalogue_can_name_is_known():
    assert set(DIALECTS) == set(DialectName)


def test_requests_of_an_aws_endpoint_are_signed_by_credentials_that_are_found_once(connections, environment):
    pytest.importorskip("botocore")
    wanted = target(dialect="bedrock_converse", auth="aws", base_url="https://bedrock-runtime.eu-west-1.amazonaws.com")
    environment.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="of-nobody", AWS_REGION="eu-west-1")

    async def signed():
        there = await connections.open(wanted)
        wire = there.dialect.encode(
            ModelRequest(messages=(user("hello"),), max_output_tokens=9), there.target, stream=False
        )
        return there, await there.signed(wire)

    async def twice():
        return await signed(), await signed()

    (first, wire), (second, _) = asyncio.run(twice())
    headers = {name.lower(): value for name, value in wire.headers.items()}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert first.signer is second.signer
    assert first.target.api_key is None
    assert first.target.origin.account == first.signer.account
    assert "AKIDEXAMPLE" not in first.target.origin.account


def test_a_google_endpoint_without_credentials_names_what_was_looked_for(connections, environment, tmp_path):
    pytest.importorskip("google.auth")
    environment["GOOGLE_APPLICATION_CREDENTIALS"] = str(tmp_path / "none.json")
    with pytest.raises(KeyRefused, match="GOOGLE_APPLICATION_CREDENTIALS"):
        opened(connections, target(dialect="gemini", auth="google"))


def test_what_proves_who_sends_a_request_is_known_to_be_secret():
    def secrets(key=None, **headers):
        wire = WireRequest("POST", "http://x.test", headers, b"", 1.0)
        there = opened_with(SecretStr(key) if key else None)
        return there.secrets(wire)

    assert secrets() == ()
    assert secrets(" k1 ", authorization="Bearer k1") == ("k1",)
    assert secrets("k1", Authorization="Bearer fetched", accept="x") == ("k1", "fetched")
    assert secrets(**{"x-amz-security-token": "session", "authorization": "AWS4-HMAC-SHA256 Credential=A"}) == (
        "session",
    )
    assert secrets(**{"x-api-key": "k2"}) == ("k2",)


def opened_with(key):
    wanted = target()
    origin = Origin(dialect="openai_chat", endpoint="there", model="wire")
    to = WireTarget(wanted.model, wanted.endpoint, "http://127.0.0.1:9/v1", key, origin)
    return Connection(OpenAIChat(), HttpxTransport("there"), to)


def test_the_libraries_of_credentials_are_not_loaded_before_they_are_needed():
    code = "import sys, harness.connections; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"botocore", "google", "boto3", "openai", "anthropic"} & set(loaded)


def test_a_missing_key_starts_no_local_server(tmp_path, environment):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    started = []

    class Watched(LocalModelServers):
        async def base_url(self, gguf, wire_name, context_tokens):
            started.append((gguf, wire_name, context_tokens))
            return "http://127.0.0.1:9/v1"

    connections = EndpointConnections(folder=tmp_path, environment=environment, local_models=Watched(tmp_path / "logs"))
    wanted = target(gguf="tiny.gguf", api_key_env="THERE_KEY")
    with pytest.raises(KeyRefused):
        opened(connections, wanted)
    assert started == []
    environment["THERE_KEY"] = "k"
    assert opened(connections, wanted).target.base_url == "http://127.0.0.1:9/v1"
    assert started == [(str(tmp_path / "tiny.gguf"), "wire", 512)]


def test_the_variable_of_an_endpoint_names_another_file_of_weights_and_is_read_each_time(tmp_path, environment):
    asked = []

    class Watched(LocalModelServers):
        async def base_url(self, gguf, wire_name, context_tokens):
            asked.append((gguf, wire_name, context_tokens))
            return "http://127.0.0.1:9/v1"

    connections = EndpointConnections(folder=tmp_path, environment=environment, local_models=Watched(tmp_path / "logs"))
    wanted = target(gguf="package:small", gguf_env="LARGE_GGUF")
    for value in (None, " ", "/models/large.gguf\n", "near.gguf"):
        environment |= {} if value is None else {"LARGE_GGUF": value}
        opened(connections, wanted)
    assert [gguf for gguf, *_ in asked] == ["package:small"] * 2 + ["/models/large.gguf", str(tmp_path / "near.gguf")]


def test_a_file_of_weights_that_is_not_there_is_refused_by_its_whole_path(connections, tmp_path):
    with pytest.raises(ConfigurationInvalid) as caught:
        opened(connections, target(gguf="models/none.gguf"))
    assert str(tmp_path / "models/none.gguf") in str(caught.value)


def test_closing_twice_is_closing_once_and_what_is_opened_afterwards_is_new(connections):
    async def main():
        first = await connections.open(target())
        await connections.close()
        await connections.close()
        assert (await connections.open(target())).transport is not first.transport

    asyncio.run(main())


def test_a_transport_that_cannot_be_closed_keeps_no_other_open(connections):
    async def main():
        closed = []

        class Stubborn(HttpxTransport):
            async def close(self):
                closed.append(self)
                raise ConnectionError("gone")

        for name in ("one", "two"):
            opened_here = await connections.open(target(name))
            opened_here.transport.__class__ = Stubborn
        with pytest.raises(ConnectionError):
            await connections.close()
        assert len(closed) == 2
        await connections.close()

    asyncio.run(main())
