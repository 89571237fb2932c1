"""The worst case is never below what the metered call would hold."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.budgets.reservations import input_tokens_bound
from harness.dialects.openai_chat import OpenAIChat
from harness.exceptions import PriceUnknown
from harness.models.catalogue import Catalogue
from harness.models.prices import PriceBook, PricedModel
from harness.routing.bindings import Binding
from harness.routing.decision import decide
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.spec import WorkflowSpec
from harness.workflow.worst_case import Amount, worst_case

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PRICE = {"input_usd_per_million": "1", "output_usd_per_million": "3", "source": "made up", "checked": "2026-11-24"}


def model(context=1_000_000, **more):
    return {"endpoint": "there", "wire_name": "m", "context_tokens": context, "price": PRICE, **more}


def catalogue(**models):
    return Catalogue.model_validate({"endpoints": {"there": {"base_url": "http://there.invalid"}}, "models": models})


def workflow(nodes, prompt="Read {{ text }} now.", edges=(), start=None, limits=None, **state):
    keys = {"text": {"type": "string"}, "out": {}, "many": {"type": "array"}} | state
    spec = {
        "workflow": "w",
        "inputs": ["text"],
        "state": keys,
        "nodes": nodes,
        "start": start or next(iter(nodes)),
        "edges": list(edges),
        **({"limits": limits} if limits else {}),
    }
    return workflow_from_spec(WorkflowSpec.model_validate(spec), {"p": prompt})


def asking(**more):
    return {"kind": "model", "role": "r", "prompt": "p", "max_output_tokens": 10, "output": "out"} | more


def body_bytes(request, target):
    wire = OpenAIChat().encode(
        request, target.model, target.endpoint, base_url="http://there.invalid", api_key=None, stream=True
    )
    return len(wire.body)


def bound_of(loaded, models, binding, **more):
    def dearest(target, entered, left):
        priced = PricedModel(target.model_name, target.model.wire_name, None, target.model.price)
        return PriceBook().dearest(priced, entered, left, NOW)

    return worst_case(loaded, lambda *_: decide(binding, models, version=1), dearest, body_bytes, **more)


ONE = Binding(role="r", model="one")


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(max_size=300),
    most=st.integers(1, 60),
    known=st.booleans(),
    document=st.booleans(),
    template=st.sampled_from(["Read {{ text }} now.", "{{text}}{{ text }}", '{{{{ é {{ text }} "}}']),
)
def test_no_text_makes_a_call_hold_more_than_the_worst_case(text, most, known, document, template):
    documents = ["text"] if document else []
    loaded = workflow({"n": asking(documents=documents, max_characters=most)}, template)
    models = catalogue(one=model())
    target = decide(ONE, models, version=1).targets[0]

    request = ModelNodeRunner(loaded, "n", loaded.spec.nodes["n"]).request({"text": text})
    held = min(input_tokens_bound(body_bytes(request, target), len(request.messages)), 1_000_000)

    bound = bound_of(loaded, models, ONE, values={"text": text} if known else {}).nodes[0]
    assert held + 10 <= bound.send.tokens
    assert Decimal(held + 30) / 1_000_000 <= bound.send.usd


def test_a_value_of_unknown_size_is_bounded_by_the_context_and_said_to_be():
    loaded = workflow({"n": asking()})
    (node,) = bound_of(loaded, catalogue(one=model(context=500)), ONE).nodes
    assert node.of_any_size == ("text",)
    assert node.send.tokens == 510


def test_every_try_at_every_target_counts():
    loaded = workflow({"n": asking(documents=["text"], retry={"attempts": 2})})
    binding = Binding(role="r", model="one", fallback=("two",))
    models = catalogue(one=model(context=100), two=model(context=200))
    worst = bound_of(loaded, models, binding)
    assert worst.known == Amount(4, 2 * (110 + 210), Decimal(2 * (100 + 30 + 200 + 30)) / 1_000_000)
    assert worst.nodes[0].send == Amount(1, 210, Decimal("0.00023"))


def test_a_model_that_gives_less_output_bounds_it():
    loaded = workflow({"n": asking(retry={"attempts": 1})})
    assert bound_of(loaded, catalogue(one=model(context=100, max_output_tokens=4)), ONE).known.tokens == 104


def test_a_list_of_unknown_length_is_counted_an_item():
    loaded = workflow({"n": asking(for_each="many", retry={"attempts": 1})})
    models = catalogue(one=model(context=100))
    open_ended = bound_of(loaded, models, ONE)
    assert open_ended.known == Amount()
    assert [node.an_item.calls for node in open_ended.per_item] == [1]
    assert bound_of(loaded, models, ONE, items=7).known.calls == 7
    assert bound_of(loaded, models, ONE, values={"many": [1, 2]}, items=7).known.calls == 2


def test_a_list_that_a_node_writes_is_not_known_whatever_it_holds_at_the_start():
    nodes = {"n": asking(for_each="many", retry={"attempts": 1}), "c": {"kind": "code", "code": "f", "output": "many"}}
    loaded = workflow(nodes, edges=[{"from": "c", "to": "n"}], start="c")
    worst = bound_of(loaded, catalogue(one=model(context=100)), ONE, values={"many": []})
    assert [node.node for node in worst.per_item] == ["n"]


def loop(**more):
    nodes = {
        "a": asking(retry={"attempts": 1}, **more),
        "b": asking(retry={"attempts": 1}, max_visits=3),
        "c": asking(retry={"attempts": 1}),
    }
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "c", "when": {"key": "text", "equals": "x"}}]
    return workflow(nodes, edges=[*edges, {"from": "b", "to": "a"}], limits={"steps": 20})


def test_the_visits_of_a_loop_are_bounded_by_its_bounded_nodes():
    worst = bound_of(loop(), catalogue(one=model(context=100)), ONE)
    assert {node.node: node.visits for node in worst.nodes} == {"a": 4, "b": 3, "c": 1}


def test_beside_parallel_branches_only_the_steps_of_the_run_bound_a_loop():
    nodes = {"a": asking(), "b": asking(max_visits=3), "c": asking()}
    edges = [{"from": "a", "to": ["b", "c"]}, {"from": "b", "to": "a"}]
    worst = bound_of(workflow(nodes, edges=edges, limits={"steps": 20}), catalogue(one=model(context=100)), ONE)
    assert {node.node: node.visits for node in worst.nodes} == {"a": 20, "b": 3, "c": 20}


def test_a_model_without_a_price_is_refused_before_the_run():
    loaded = workflow({"n": asking()})
    with pytest.raises(PriceUnknown):
        bound_of(loaded, catalogue(one=model(price=None)), ONE)
