"""Keys of endpoints are in nothing that is written or said: databases, journals, logs, outputs, errors, backups.

A server repeats the key that it is sent in every way an answer can, and everything that was written is searched for
it: as it is, its halves, in base64, as addresses write it. A key that is put there on purpose is found.
"""

import asyncio
import logging
import pickle
import threading
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from harness.assembly import Harness
from harness.exceptions import HarnessError, ProviderError
from harness.ledger.entries import CallContext
from harness.models.embeddings import EmbeddingRequest
from harness.models.messages import ModelRequest, user
from harness.parts import Ambient
from harness.project import load_project
from harness.routing.bindings import Binding
from harness.settings import Settings
from tests.cli.said import said_here
from tests.must_hold.canaries import a_key, forms, found_in
from tests.must_hold.telling_server import MISBEHAVES, TellingServer

IN_ENVIRONMENT, IN_FILE, IN_A_NODE = a_key("environment"), a_key("file"), a_key("node")
DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini", "bedrock_converse")

HARNESS = """\
workflows: {flow: workflow.yaml}
bindings: bindings.yaml
code: {log_in: "steps:log_in"}
settings: {log_level: debug}
"""
WORKFLOW = """\
workflow: flow
inputs: [fails]
state:
  fails: {type: boolean, default: false}
  answer: {type: string}
  logged_in: {type: string}
nodes:
  ask: {kind: model, role: writer, prompt: ask.md, max_output_tokens: 40, output: answer, retry: {attempts: 1}}
  log_in: {kind: code, code: log_in, arguments: {fails: {from: fails}}, output: logged_in, retry: {attempts: 1}}
start: ask
edges: [{from: ask, to: log_in}]
"""
STEPS = """\
import os


def log_in(fails: bool) -> str:
    if fails:
        raise RuntimeError("the door said no to " + os.environ["NODE_API_KEY"])
    return "in"
"""
PRICE = "price: {input_usd_per_million: 1, output_usd_per_million: 2, source: made up, checked: 2026-11-24}"


def bindings(url):
    endpoints, models = [], []
    for dialect in DIALECTS:
        for where, key in (("env", "api_key_env: CANARY_API_KEY"), ("file", "api_key_file: ../keys/canary.key")):
            name = f"{dialect}_{where}"
            endpoints.append(f'  {name}: {{dialect: {dialect}, base_url: "{url}", {key}, timeout_seconds: 20}}')
            for kind in ("normal", *MISBEHAVES):
                can = "capabilities: [embeddings, streaming]"
                served = f'endpoint: {name}, wire_name: "{kind}:x", context_tokens: 9000, {can}, {PRICE}'
                models.append(f"  {kind}.{name}: {{{served}}}")
    bound = "bindings: [{role: writer, model: normal.openai_chat_env}]"
    return "\n".join([bound, "endpoints:", *endpoints, "models:", *models, ""])


class World:
    """A project whose server tells keys; `said` keeps what commands print and errors hold."""

    def __init__(self, folder: Path, url: str, server: TellingServer) -> None:
        self.server = server
        self.project, self.home, self.said = folder / "project", folder / "home", folder / "said"
        for each in (self.project, self.said, folder / "keys"):
            each.mkdir()
        (folder / "keys" / "canary.key").write_text(IN_FILE + "\n")
        files = {"harness.yaml": HARNESS, "workflow.yaml": WORKFLOW, "steps.py": STEPS, "bindings.yaml": bindings(url)}
        for name, text in {**files, "ask.md": "Say hello."}.items():
            (self.project / name).write_text(text)

    @property
    def folders(self):
        return (self.project, self.home, self.said)

    def say(self, *words):
        said = said_here([*words, "--project", str(self.project), "--home", str(self.home), "--as", "ada"])
        self.keep(" ".join(words), said.out + said.err)
        return said

    def keep(self, about, text):
        number = len(list(self.said.iterdir()))
        (self.said / f"{number}.txt").write_text(f"{about}\n{text}")

    def keep_error(self, error):
        """Everything that an error says, to people, to logs and to another process."""
        printed = "".join(traceback.format_exception(error))
        notes = "\n".join(getattr(error, "__notes__", ()))
        self.keep("error", f"{error}\n{error!r}\n{error.args!r}\n{vars(error)!r}\n{notes}\n{printed}")
        number = len(list(self.said.iterdir()))
        (self.said / f"{number}.pickle").write_bytes(pickle.dumps(error))

    def house(self):
        settings = Settings(home=self.home, person="ada", call_attempts=2, call_deadline_seconds=60)

        async def no_wait(_):
            pass

        return Harness(settings, load_project(self.project / "harness.yaml"), ambient=Ambient(sleep=no_wait))


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY_API_KEY", IN_ENVIRONMENT)
    monkeypatch.setenv("NODE_API_KEY", IN_A_NODE)
    monkeypatch.setenv("HARNESS_DEBUG", "1")
    monkeypatch.setenv("HARNESS_CALL_ATTEMPTS", "1")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(TellingServer().start(), loop).result(30)
    made = World(tmp_path, server.base_url, server)
    handler = logging.FileHandler(made.said / "everything.log")
    # What a server writes into its own headers stands there as it came.
    handler.addFilter(lambda record: "receive_response_headers" not in record.getMessage())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("tests").debug("the log is written")
    yield made
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def assert_clean(world):
    assert found_in(world.folders, (IN_ENVIRONMENT, IN_FILE, IN_A_NODE)) == []


def test_no_command_writes_or_says_a_key(world):
    runs = []
    for where, key in (("env", IN_ENVIRONMENT), ("file", IN_FILE)):
        # A key that is refused is refused to every model of its endpoint.
        good = f"normal.openai_chat_{'file' if where == 'env' else 'env'}"
        for kind in ("refuses", "slow-down", "long", "stream-error", "cut-stream", "page"):
            broken = f"{kind}.openai_chat_{where}"
            assert world.say("bind", "writer", broken).code == 0
            failed = world.say("run", "flow", "--json", *(["--stream"] if "stream" in kind else []))
            assert failed.code != 0, kind
            assert world.server.seen[-1] == key
            runs.append(next(line["run_id"] for line in failed.lines if line["event"] == "run_recorded"))
        assert world.say("bind", "writer", f"refuses.openai_chat_{where}", "--fallback", good).code == 0
        assert world.say("run", "flow", "--json").code == 0
        assert world.say("resume", runs[-1], "--stream").code == 0
    assert world.say("run", "flow", "--input", "fails=true", "--json").code == 1
    for words in (
        ("show", runs[0], "--json"),
        ("show", runs[-1]),
        ("runs", "--json"),
        ("costs", "--json"),
        ("models", "--json"),
        ("models",),
        ("models", "check", "halved.openai_chat_env"),
        ("bindings", "--json"),
        ("bindings", "--history"),
        ("check", "--json"),
        ("config", "show", "--origin", "--json"),
        ("bind", "--export", str(world.said / "exported.yaml")),
        ("backup", str(world.said / "backup")),
    ):
        world.say(*words)
    assert (world.said / "exported.yaml").stat().st_size
    assert list((world.said / "backup").rglob("*.db"))
    assert (world.home / "money.db").stat().st_size
    assert_clean(world)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_wire_lets_a_key_into_an_error_or_a_database(world, dialect):
    async def main():
        async with world.house() as harness:
            place = CallContext(
                organisation=harness.organisation, person="ada", task_id="t", role="writer", path="p", run_id="r"
            )
            asked = ModelRequest(messages=(user("hello"),), max_output_tokens=2000)
            embedded = EmbeddingRequest(texts=("hello",))
            errors = 0
            for number, kind in enumerate(each for each in MISBEHAVES for _ in range(2)):
                where = ("env", "file")[number % 2]
                current = await harness.binding_version()
                name = f"{kind}.{dialect}_{where}"
                await harness.bindings.add(
                    harness.organisation,
                    current.bindings.with_binding(Binding(role="writer", model=name)),
                    made_by="ada",
                    reason="",
                    replaces=current.version,
                )
                here = replace(place, path=f"p{number}")
                for ask in (
                    lambda here=here: harness.model_call.ask(asked, here),
                    lambda here=here: harness.model_call.ask(asked, replace(here, ordinal=1), on_event=lambda _: None),
                    lambda here=here: harness.embedding_call.embed(embedded, replace(here, ordinal=2)),
                ):
                    try:
                        await ask()
                    except HarnessError as error:
                        errors += isinstance(error, ProviderError)
                        world.keep_error(error)
            # While it is open: what is in a write-ahead log is in no database's file yet.
            assert list(world.home.glob("*-wal"))
            assert_clean(world)
            return errors

    errors = asyncio.run(main())
    assert errors >= 2 * len(MISBEHAVES)
    assert {IN_ENVIRONMENT, IN_FILE} <= set(world.server.seen)
    assert_clean(world)


@pytest.mark.plants_keys
@pytest.mark.parametrize("way", forms(IN_FILE))
def test_a_key_that_is_put_there_on_purpose_is_found(world, way):
    form = forms(IN_FILE)[way]
    (world.said / "planted.log").write_bytes(b"something before" + form + b"something after")
    found = found_in(world.folders, (IN_ENVIRONMENT, IN_FILE))
    assert f"{world.said / 'planted.log'}: {way}" in found
    assert all("planted.log" in each for each in found)


@pytest.mark.plants_keys
def test_a_key_that_is_put_into_a_reply_is_found_in_the_database(world):
    assert world.say("run", "flow").code == 0
    (world.project / "ask.md").write_text(f"Say {'x' * 6000} {IN_FILE} {'y' * 6000}")
    assert world.say("run", "flow").code == 0
    places = {each.partition(": ")[0].rpartition("/")[2] for each in found_in((world.home,), (IN_FILE,))}
    assert any(place.startswith("money.db:") for place in places)
