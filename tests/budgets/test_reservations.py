"""A call fits all its limits or none, and what is held for it bounds what it can use."""

import json
from functools import cache
from pathlib import Path

import pytest
import wordllama
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from harness.budgets.limits import Charge, Unit
from harness.budgets.periods import period_at
from harness.budgets.reservations import Balance, input_tokens_bound, refusal
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import Message, ModelRequest, TextPart
from tests.dialects.wire_targets import target_of
from tests.storage.money_samples import NOW, a_limit

ENDPOINT = Endpoint(base_url="http://localhost:1")
MODEL = Model(endpoint="here", wire_name="m", context_tokens=1000)
# Scripts whose letters are three and four bytes, controls, what JSON escapes, what tokenizers mark words with.
CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\t\0▁<s>ﷺ🏴 \u200d')
texts = st.text(CHARACTERS, max_size=200) | st.text("▁ \n0", max_size=200)
turns = st.builds(
    lambda role, text: Message(role=role, parts=(TextPart(text=text),)),
    st.sampled_from(["system", "user", "assistant"]),
    texts,
)


@cache
def tokenizer():
    folder = Path(wordllama.__file__).parent / "tokenizers"
    return Tokenizer.from_file(str(folder / "l2_supercat_tokenizer_config.json"))


def balance(spent, held, amount, unit=Unit.USD):
    limit = a_limit(amount, unit=unit)
    return Balance(limit, period_at(limit.period, limit.zone, NOW), spent, held)


amounts = st.integers(0, 50)


@given(st.lists(st.tuples(amounts, amounts, amounts, st.sampled_from(list(Unit))), max_size=4), amounts, amounts)
def test_a_call_is_refused_if_and_only_if_a_limit_would_be_passed(used, nano, tokens):
    charge = Charge(nano, tokens)
    balances = [balance(*each) for each in used]
    passed = [b for b in balances if b.spent + b.held + charge.of(b.limit.unit) > b.limit.amount]
    found = refusal(balances, charge)
    assert (found is None) == (not passed)
    if found is not None:
        first = passed[0]
        assert (found.scope, found.unit) == ("person:ada", first.limit.unit)
        assert found.resets_at == first.span.ends_at
        assert found.busy == (first.spent + charge.of(first.limit.unit) <= first.limit.amount)


@given(st.lists(turns, min_size=1, max_size=6))
@settings(max_examples=300)
def test_the_bytes_of_a_request_bound_its_tokens(messages):
    request = ModelRequest(messages=tuple(messages), max_output_tokens=5)
    wire = OpenAIChat().encode(request, target_of(MODEL, ENDPOINT), stream=False)
    # As llama.cpp and others render a conversation before they tokenize it.
    rendered = "".join(f"<|im_start|>{turn.role}\n{turn.text}<|im_end|>\n" for turn in messages)
    tokens = len(tokenizer().encode(rendered + "<|im_start|>assistant\n").ids)
    assert tokens <= input_tokens_bound(len(wire.body), len(messages))


@pytest.mark.parametrize(("size", "messages"), [(0, 0), (100, 1), (5_000_000, 40)])
def test_every_byte_and_every_message_counts(size, messages):
    assert input_tokens_bound(size, messages) >= size + messages
    assert input_tokens_bound(size + 1, messages) > input_tokens_bound(size, messages)
    assert input_tokens_bound(size, messages + 1) > input_tokens_bound(size, messages)


# They add what they looked up or ran themselves; our dialect asks for none of it.
SERVER_TOOLS = ("openrouter:", '"plugins"', "web_search", "groq/compound", "compound-beta", "image_url", "document_url")


def test_no_recorded_call_used_more_than_would_have_been_held(recorded_calls):
    sent = [(request, usage) for request, usage in recorded_calls if not any(word in request for word in SERVER_TOOLS)]
    assert len(sent) > 300
    for request, usage in sent:
        assert usage.input_tokens <= input_tokens_bound(len(request.encode()), len(json.loads(request)["messages"]))
