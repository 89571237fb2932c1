import asyncio
import os
import threading
from contextlib import contextmanager
from decimal import Decimal

import pytest

from tests.cli.hello_project import HelloProject
from tests.vector_server import VectorServer

PRICE = "price: {input_usd_per_million: 1, output_usd_per_million: 2, source: made up, checked: 2026-11-24}"
SECOND = """
  both:
    endpoint: scripted
    wire_name: both
    context_tokens: 8192
    capabilities: [tools, json_schema]
    fallback: [scripted]
    price: {free: true, source: made up, checked: 2026-11-24}
    also_at:
      - {endpoint: broken, wire_name: both-too, PRICE}
      - {endpoint: clouded, wire_name: "cloud:both"}
""".replace("PRICE", PRICE)
ENDPOINTS = """endpoints:
  broken: {scripted_replies: broken.yaml, api_key_env: BROKEN_KEY, api_key_file: broken.key}
  clouded: {base_url: "https://cloud.invalid", dialect: bedrock_converse, auth: aws}
"""


@pytest.fixture
def project(tmp_path):
    made = HelloProject(tmp_path)
    text = made.bindings.read_text(encoding="utf-8").rstrip("\n")
    made.bindings.write_text(text.replace("endpoints:\n", ENDPOINTS) + SECOND, encoding="utf-8")
    (made.folder / "broken.yaml").write_text("replies: [{error: {status: 500, message: the machine is down}}]")
    (made.folder / "replies.yaml").write_text('replies: [{text: "I am ready.", usage: {input: 10, output: 5}}]')
    return made


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in ("BROKEN_KEY", *(name for name in os.environ if name.startswith("AWS_"))):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def row_of(project, model):
    return next(row for row in project.say("models", "--json").lines if row["model"] == model)


@contextmanager
def vector_server():
    """A server on loopback in a thread of its own, for a command that runs an event loop itself."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(VectorServer().start(), loop).result(30)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def test_a_model_is_shown_at_each_endpoint_with_its_price_and_key_there(project, monkeypatch):
    row = row_of(project, "both")
    assert (row["endpoint"], row["wire_name"], row["dialect"]) == ("scripted", "both", "openai_chat")
    assert (row["capabilities"], row["fallback"]) == (["json_schema", "tools"], ["scripted"])
    assert (row["key_env"], row["key_present"]) == (None, None)
    first, broken, clouded = row["endpoints"]
    assert first["input_usd_per_million"] == row["input_usd_per_million"] == "0"
    assert (broken["wire_name"], Decimal(broken["output_usd_per_million"])) == ("both-too", 2)
    assert (broken["key_env"], broken["key_file"], broken["key_present"]) == ("BROKEN_KEY", "broken.key", False)
    assert (clouded["auth"], clouded["key_present"], clouded["input_usd_per_million"]) == ("aws", None, None)
    (project.folder / "broken.key").write_text("sk-test-canary-of-a-file")
    assert row_of(project, "both")["endpoints"][1]["key_present"] is True
    said = project.say("models").out
    assert "both (also)" in said
    assert "set (BROKEN_KEY or broken.key)" in said
    assert "AWS credentials" in said
    assert "sk-test-canary-of-a-file" not in said
    assert not project.home.exists()


def test_a_model_is_tried_at_each_endpoint_by_a_small_metered_call(project, monkeypatch):
    monkeypatch.setenv("BROKEN_KEY", "sk-test-canary-of-a-variable")
    said = project.say("models", "check", "both", "--json")
    assert said.code == 6
    good, broken, clouded = said.lines
    assert (good["endpoint"], good["answered"], good["says"]) == ("scripted", True, "I am ready.")
    assert (good["input_tokens"], good["output_tokens"], good["cost_usd"]) == (10, 5, "0")
    assert (broken["endpoint"], broken["wire_name"], broken["answered"]) == ("broken", "both-too", False)
    assert "the machine is down" in broken["says"]
    assert broken["cost_usd"] is None
    assert (clouded["endpoint"], clouded["answered"]) == ("clouded", False)
    assert (good["exit_code"], broken["exit_code"]) == (0, 6)
    costs = {row["group"]: row for row in project.say("costs", "--by", "kind", "--json").lines if "group" in row}
    assert (costs["model_check"]["completed"], costs["model_check"]["failed"]) == (1, 2)


def test_one_endpoint_is_tried_alone_and_said_to_people(project):
    said = project.say("models", "check", "both", "--endpoint", "scripted")
    assert said.code == 0
    assert "I am ready." in said.out
    assert "broken" not in said.out


@pytest.mark.parametrize(
    ("words", "hint"),
    [(("bth",), "'both'"), (("both", "--endpoint", "openai"), "'scripted' or 'broken' or 'clouded'")],
)
def test_a_wrong_name_is_tried_nowhere(project, words, hint):
    said = project.say("models", "check", *words)
    assert said.code == 2
    assert hint in said.err
    assert said.out == ""


def test_a_call_that_no_budget_allows_is_not_made(project):
    project.say("budget", "set", "person:ada", "0.000001", "--per", "day")
    with project.bindings.open("a", encoding="utf-8") as file:
        file.write(f"  dear: {{endpoint: scripted, wire_name: dear, context_tokens: 8192, {PRICE}}}\n")
    said = project.say("models", "check", "dear", "--json")
    assert said.code == 4
    assert (said.object["answered"], said.object["exit_code"]) == (False, 4)
    assert "budget of person:ada" in said.object["says"]
    assert failed_checks(project) == 1


MIXED = f"""
  mixed:
    endpoint: unpriced
    wire_name: m
    context_tokens: 8192
    also_at:
      - {{endpoint: misconfigured, wire_name: m, {PRICE}}}
      - {{endpoint: keyless, wire_name: m, {PRICE}}}
      - {{endpoint: scripted, wire_name: m, {PRICE}}}
"""
MIXED_ENDPOINTS = """endpoints:
  unpriced: {scripted_replies: replies.yaml}
  misconfigured: {base_url: "http://127.0.0.1:1", quirks: {no_such_quirk: "1"}}
  keyless: {base_url: "http://127.0.0.1:1", api_key_env: NO_SUCH_KEY}
"""


def failed_checks(project):
    costs = {row["group"]: row for row in project.say("costs", "--by", "kind", "--json").lines if "group" in row}
    return costs["model_check"]["failed"]


def test_whatever_is_wrong_at_one_endpoint_is_a_line_and_the_others_are_asked_all_the_same(project):
    text = project.bindings.read_text(encoding="utf-8").replace("endpoints:\n", MIXED_ENDPOINTS)
    project.bindings.write_text(text + MIXED, encoding="utf-8")
    said = project.say("models", "check", "mixed", "--json")
    unpriced, misconfigured, keyless, good = said.lines
    assert said.code == unpriced["exit_code"] == 3
    assert '"mixed": {input_usd_per_million' in unpriced["says"]
    assert "no_such_quirk" in misconfigured["says"]
    assert "NO_SUCH_KEY" in keyless["says"]
    assert (good["endpoint"], good["answered"], good["says"]) == ("scripted", True, "I am ready.")
    assert failed_checks(project) == 3


def test_a_model_that_embeds_is_tried_by_a_vector(project):
    with vector_server() as server, project.bindings.open("a", encoding="utf-8") as file:
        free = "price: {free: true, source: made up, checked: 2026-11-24}, capabilities: [embeddings]"
        file.write(f"  vectors: {{endpoint: embeds, wire_name: v, context_tokens: 512, {free}}}\n")
        file.flush()
        text = project.bindings.read_text(encoding="utf-8")
        served = f'endpoints:\n  embeds: {{base_url: "{server.base_url}"}}\n'
        project.bindings.write_text(text.replace("endpoints:\n", served), encoding="utf-8")
        said = project.say("models", "check", "vectors", "--json")
    assert said.code == 0
    assert said.object["says"] == "a vector of 4 dimensions"
    assert server.requests[0]["input"] == ["Say: ready."]
