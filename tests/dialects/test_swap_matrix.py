"""Real conversations continued on every wire; needs the recorded traffic."""

import pytest

from tests.dialects import swap_matrix
from tests.dialects.swap_bodies import rule_breaks, secrets_of
from tests.dialects.swap_schemas import problems

pytestmark = pytest.mark.slow
TARGETS = swap_matrix.WIRES | swap_matrix.SERVERS


@pytest.fixture(scope="module")
def requests():
    return swap_matrix.recorded_requests()


@pytest.fixture(scope="module")
def answers():
    return swap_matrix.recorded_answers()


def assert_sound(pairs, *, sources):
    told = {pair.source for pair in pairs if pair.histories}
    assert told == sources
    for pair in pairs:
        assert pair.invalid == [], f"{pair.source} -> {pair.target}"
        assert pair.leaked == [], f"{pair.source} -> {pair.target}"


def test_every_recorded_conversation_with_tools_goes_on_on_every_wire(requests):
    pairs = swap_matrix.matrix(requests, TARGETS)
    assert_sound(pairs, sources=set(swap_matrix.WIRES))
    assert sum(pair.histories for pair in pairs) == len(requests) * len(TARGETS) > 6000


def test_every_recorded_answer_with_sealed_blocks_goes_on_without_them_on_every_wire(answers):
    pairs = swap_matrix.matrix(answers, swap_matrix.WIRES)
    assert_sound(pairs, sources=set(swap_matrix.WIRES))
    assert sum(pair.histories for pair in pairs) == len(answers) * len(swap_matrix.WIRES) > 4000


def test_at_home_every_sealed_text_comes_back(requests, answers):
    for pair in [*swap_matrix.at_home(requests), *swap_matrix.at_home(answers)]:
        assert pair.leaked == [], pair.source


def test_almost_every_answer_goes_home_as_it_is(answers):
    pairs = swap_matrix.at_home(answers)
    assert sum(pair.untouched for pair in pairs) > 0.99 * len(answers)


def chat(*turns):
    return {"model": "m", "messages": list(turns)}


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_the_schemas_would_notice():
    assert problems("openai_chat", chat({"role": "user", "content": "x"})) == []
    assert problems("openai_chat", chat({"role": "user", "content": "x", "invented": 1}))
    assert problems("openai_chat", chat({"role": "tool", "content": "x"}))
    assert problems("openai_responses", {"model": "m", "input": [{"type": "function_call_output", "call_id": "a"}]})
    assert problems("anthropic_messages", {"model": "m", "max_tokens": 1, "messages": [{"role": "user"}]})
    assert problems("gemini", {"contents": [{"role": "user", "parts": [{"functionCall": {"invented": 1}}]}]})
    assert problems("gemini", {"invented": 1})
    assert problems("bedrock_converse", {"messages": [{"role": "user", "content": [{"invented": {}}]}]})


def test_the_written_rules_would_notice():
    asked = {"role": "assistant", "tool_calls": [CALL]}
    answered = {"role": "tool", "tool_call_id": "a", "content": "x"}
    assert rule_breaks("openai_chat", chat(asked, answered)) == []
    assert rule_breaks("openai_chat", chat(asked))
    assert rule_breaks("openai_chat", chat(answered))
    assert rule_breaks("openai_responses", {"input": [{"type": "function_call", "call_id": "a"}]})
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    asked = {"role": "assistant", "content": [use]}
    answered = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}
    person = {"role": "user", "content": "x"}
    assert rule_breaks("anthropic_messages", {"messages": [person, asked, answered]}) == []
    assert rule_breaks("anthropic_messages", {"messages": [person, asked, person]})
    assert rule_breaks("anthropic_messages", {"messages": [asked, answered]})
    thinks = {"thinking": {"type": "enabled"}}
    assert rule_breaks("anthropic_messages", {"messages": [person, asked, answered], **thinks})
    part = {"functionCall": {"name": "f"}}
    assert rule_breaks("gemini", {"contents": [{"role": "model", "parts": [part]}]})
    use = {"toolUse": {"toolUseId": "a b", "name": "f"}}
    assert rule_breaks("bedrock_converse", {"messages": [{"role": "user", "content": [use]}]})


def test_sealed_texts_are_found_however_deep_they_lie():
    body = {"a": [{"signature": "s" * 20}, {"type": "reasoning", "id": "rs_" + "1" * 20, "summary": "words"}]}
    assert secrets_of(body) == {"s" * 20, "rs_" + "1" * 20}
