"""What OpenAI's models refuse, on both wires, and nobody else's."""

import json

import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.dialects.openai_models import THINKING_MODELS, listed
from harness.models.catalogue import DialectName, Endpoint, Model
from harness.models.messages import ModelRequest, user
from tests.dialects.wire_targets import target_of


@pytest.mark.parametrize(
    "name",
    ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "GPT-5.5", "openai/gpt-5",
     "ft:o4-mini-2025-04-16:org::1"],
)  # fmt: skip
def test_models_that_think_are_known_by_their_names(name):
    assert listed(THINKING_MODELS, name)


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "openai/gpt-5-chat", "gpt-oss-120b", "openai/gpt-oss-20b", "o10",
     "gpt-50", "AIDC-AI/Marco-o1", "qwen3-o3", "gpt-5x", "wire", "deepseek-r1"],
)  # fmt: skip
def test_others_are_not_meant(name):
    assert not listed(THINKING_MODELS, name)


def body_of(dialect, wire_name, **quirks):
    model = Model(endpoint="there", wire_name=wire_name, context_tokens=100_000)
    target = target_of(model, Endpoint(base_url="http://127.0.0.1:9", dialect=dialect, quirks=quirks))
    request = ModelRequest(messages=(user("x"),), max_output_tokens=9, temperature=0.0, stop=tuple("abcdef"))
    return json.loads(DIALECTS[DialectName(dialect)].encode(request, target, stream=False).body)


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
def test_a_temperature_goes_only_to_models_that_take_one(dialect):
    assert "temperature" not in body_of(dialect, "gpt-5-mini")
    assert body_of(dialect, "gpt-5-chat-latest")["temperature"] == 0.0
    assert body_of(dialect, "my-deployment")["temperature"] == 0.0
    assert "temperature" not in body_of(dialect, "my-deployment", fixed_sampling="my")
    assert body_of(dialect, "gpt-5-mini", fixed_sampling="")["temperature"] == 0.0


def test_stop_texts_go_to_models_that_take_them_and_as_many_as_the_server_takes():
    assert "stop" not in body_of("openai_chat", "gpt-5-nano")
    assert body_of("openai_chat", "gpt-4o")["stop"] == ["a", "b", "c", "d"]
    assert len(body_of("openai_chat", "wire", most_stops="16")["stop"]) == 6
    assert len(body_of("openai_chat", "gpt-5-nano", stop_refused="")["stop"]) == 4
