"""The worst case is never below what the metered call would hold."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.budgets.reservations import input_tokens_bound
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.exceptions import PriceUnknown
from harness.models.catalogue import Catalogue
from harness.models.prices import PriceBook, PricedModel
from harness.routing.bindings import Binding
from harness.routing.decision import decide
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.spec import Edge, WorkflowSpec
from harness.workflow.worst_case import Amount, worst_case
from harness.workflow.worst_case.visits import most_visits
from tests.dialects.wire_targets import target_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PRICE = {"input_usd_per_million": "1", "output_usd_per_million": "3", "source": "made up", "checked": "2026-11-24"}


def model(context=1_000_000, **more):
    return {"endpoint": "there", "wire_name": "m", "context_tokens": context, "price": PRICE, **more}


def catalogue(**models):
    # Two names of one model at one endpoint would be one target.
    models = {name: {**each, "wire_name": name} for name, each in models.items()}
    return Catalogue.model_validate({"endpoints": {"there": {"base_url": "http://there.invalid"}}, "models": models})


def workflow(nodes, prompt="Read {{ text }} now.", edges=(), start=None, limits=None, steps=None, rest=None, **state):
    keys = {"text": {"type": "string"}, "out": {}, "many": {"type": "array"}} | state
    spec = {
        "workflow": "w",
        "inputs": ["text"],
        "state": keys,
        "nodes": nodes,
        "start": start or next(iter(nodes)),
        "edges": list(edges),
        **({"limits": limits} if limits else {}),
        **(rest or {}),
    }
    return workflow_from_spec(WorkflowSpec.model_validate(spec), {"p": prompt}, steps)


def asking(**more):
    return {"kind": "model", "role": "r", "prompt": "p", "max_output_tokens": 10, "output": "out"} | more


def body_bytes(request, target):
    wire = OpenAIChat().encode(request, target_of(target.model, target.endpoint), stream=True)
    return len(wire.body)


def bound_of(loaded, models, binding, *others, **more):
    bindings = {each.role: each for each in (binding, *others)}

    def dearest(target, entered, left):
        priced = PricedModel(target.model_name, target.model.wire_name, None, target.model.price)
        return PriceBook().dearest(priced, entered, left, NOW)

    def decided(_workflow, _node, role):
        return decide(bindings[role], models, version=1)

    return worst_case(loaded, decided, dearest, body_bytes, **more)


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


def sends(count, *, context=100, output=10):
    """So many sends of a whole context and the output limit, at the made up price."""
    return Amount(count, count * (context + output), Decimal(count * (context + 3 * output)) / 1_000_000)


def test_an_answer_outside_its_schema_is_asked_again_with_a_size_that_is_not_known():
    node = asking(prompt="q", schema={"type": "object"}, repair=2, retry={"attempts": 3})
    loaded = workflow({"n": node | {"prompt": "p"}}, "Say something.")
    (bound,) = bound_of(loaded, catalogue(one=model(context=5000)), ONE).nodes
    target = decide(ONE, catalogue(one=model(context=5000)), version=1).targets[0]
    request = ModelNodeRunner(loaded, "n", loaded.spec.nodes["n"]).request({})
    first = input_tokens_bound(body_bytes(request, target), len(request.messages))
    assert bound.question.calls == 3 * (1 + 2)
    assert bound.question.tokens >= 3 * (first + 10 + 2 * (5000 + 10))
    assert bound.send == sends(1, context=5000)
    assert bound_of(workflow({"n": asking(repair=5)}), catalogue(one=model(context=100)), ONE).known == sends(3)


TWO = Binding(role="other", model="two")


def test_the_role_that_is_asked_instead_comes_on_top():
    loaded = workflow({"n": asking(retry={"attempts": 2}, fallback={"role": "other"})})
    worst = bound_of(loaded, catalogue(one=model(context=100), two=model(context=300)), ONE, TWO)
    assert [(node.node, node.role, node.models) for node in worst.nodes] == [
        ("n", "r", ("one",)),
        ("n/fallback", "other", ("two",)),
    ]
    assert worst.known == sends(2) + sends(2, context=300)
    assert worst.known_of(role="other") == worst.known_of(model="two") == sends(2, context=300)


def agent(**more):
    return {"kind": "agent", "role": "r", "prompt": "p", "max_output_tokens": 10, "output": "out"} | more


def test_an_agents_steps_are_bounded_by_the_context_and_its_money_by_its_limit():
    models = catalogue(one=model(context=100))
    node = agent(limits={"steps": 7}, retry={"attempts": 2})
    assert bound_of(workflow({"n": node}), models, ONE).known == sends(14)
    capped = agent(limits={"steps": 7, "usd": 0.0005}, retry={"attempts": 2}, for_each="many")
    worst = bound_of(workflow({"n": capped}), models, ONE, values={"many": [1, 2, 3]})
    assert worst.known == Amount(3 * 14, 3 * 14 * 110, 3 * Decimal("0.0005"))


def plan(workers, **more):
    node = {"kind": "plan", "role": "r", "prompt": "p", "workers": workers, "max_output_tokens": 10, "output": "out"}
    return node | {"max_steps": 4, "max_replans": 2, "retry": {"attempts": 2}} | more


def worker(role, **more):
    return {"description": "reads", "role": role, "prompt": "p", "max_output_tokens": 10} | more


def test_a_plan_costs_its_planner_and_its_dearest_worker_for_each_step_of_each_round():
    workers = {"small": worker("small"), "large": worker("large", output={}), "look": {"description": "x", "tool": "t"}}
    small, large = Binding(role="small", model="one"), Binding(role="large", model="two")
    models = catalogue(one=model(context=100), two=model(context=300))
    worst = bound_of(workflow({"n": plan(workers)}), models, ONE, small, large)

    planner, of_small = sends(3 * 2 * 2), sends(3 * 4 * 2)
    of_large = sends(3 * 4 * 2 * 2, context=300)  # sent back once where it is outside its schema
    assert worst.known == planner + of_large
    assert worst.known_of(role="small") == of_small
    assert worst.known_of(role="large") == of_large
    assert worst.known_of(model="one") == planner + of_small
    assert [node.node for node in worst.nodes] == ["n/planner", "n/workers/small", "n/workers/large"]


def test_a_plan_that_is_made_anew_after_a_failed_step_makes_its_steps_anew():
    retry = {"attempts": 2, "on": ["RunError"]}
    loaded = workflow({"n": plan({"small": worker("small")}, retry=retry)})
    small = Binding(role="small", model="one")
    worst = bound_of(loaded, catalogue(one=model(context=100)), ONE, small)
    assert worst.known_of(role="small") == sends(3 * 4 * 2 * 2)


def child(**more):
    node = asking(for_each="many", max_concurrency=1, retry={"attempts": 1}, **more)
    return workflow({"c": node}, rest={"inputs": ["many"]})


def test_a_workflow_costs_what_its_run_does_each_time_it_is_run():
    node = {"kind": "workflow", "workflow": "child", "inputs": {"many": [1, 2]}, "retry": {"attempts": 1}}
    models = catalogue(one=model(context=100))
    once = bound_of(workflow({"n": node}, steps={"child": child()}), models, ONE)
    assert once.known == sends(2)
    assert [(each.node, each.visits, each.items) for each in once.nodes] == [("n/c", 1, 2)]
    often = node | {"for_each": "many", "retry": {"attempts": 3}}
    loaded = workflow({"n": often}, steps={"child": child()})
    worst = bound_of(loaded, models, ONE, values={"many": ["a", "b", "c", "d"]})
    assert worst.known == sends(2 * 4 * 3)
    assert [(each.items, each.attempts) for each in worst.nodes] == [(8, 3)]


@pytest.mark.parametrize(
    ("inputs", "values", "items"),
    [
        ({"many": [1, 2, 3]}, {}, 3),
        ({"many": {"from": "many"}}, {"many": [1]}, 1),
        ({"many": {"from": "many"}}, {}, None),
        ({"many": {"from": "item"}}, {"many": [1]}, None),
        ({}, {}, 0),
    ],
)
def test_the_lists_of_a_workflow_are_known_where_its_inputs_are(inputs, values, items):
    node = {"kind": "workflow", "workflow": "child", "inputs": inputs}
    (found,) = bound_of(
        workflow({"n": node}, steps={"child": child()}), catalogue(one=model(context=100)), ONE, values=values
    ).nodes
    assert found.items == items


def test_a_workflow_within_a_plan_is_one_of_its_workers():
    inner = workflow({"c": asking(retry={"attempts": 1})})
    workers = {"small": worker("small"), "brief": {"description": "x", "workflow": "child"}}
    loaded = workflow({"n": plan(workers, retry={"attempts": 1}, max_replans=0)}, steps={"child": inner})
    models = catalogue(one=model(context=100), two=model(context=300))
    small = Binding(role="small", model="two")
    worst = bound_of(loaded, models, ONE, small)
    assert worst.known == sends(2) + sends(4, context=300)
    assert [node.node for node in worst.nodes] == ["n/planner", "n/workers/small", "n/workers/brief/c"]


def test_a_limit_on_money_holds_a_run_and_each_run_within_it():
    inner = workflow({"c": asking(retry={"attempts": 1})}, limits={"usd": 0.0001})
    node = {"kind": "workflow", "workflow": "child", "for_each": "many", "retry": {"attempts": 1}}
    models, values = catalogue(one=model(context=100)), {"many": [1, 2, 3]}
    loaded = workflow({"n": node}, steps={"child": inner})
    assert bound_of(loaded, models, ONE, values=values).known == Amount(3, 330, Decimal("0.0003"))
    limited = bound_of(
        workflow({"n": node}, steps={"child": inner}, limits={"usd": 0.0002}), models, ONE, values=values
    )
    assert limited.known == Amount(3, 330, Decimal("0.0002"))
    assert limited.known_of(role="r").usd == limited.limit_usd == Decimal("0.0002")
    assert limited.nodes[0].total == sends(3)


def test_the_node_of_a_failed_run_comes_on_top():
    nodes = {"n": asking(retry={"attempts": 1}), "tell": asking(retry={"attempts": 1})}
    loaded = workflow(nodes, rest={"on_error": "tell"}, error={"type": "object"})
    assert bound_of(loaded, catalogue(one=model(context=100)), ONE).known == sends(2)


def test_a_branch_costs_nothing_and_bounds_a_loop():
    again = {"kind": "branch", "cases": [{"when": "text == 'x'", "to": "n"}, {"to": "end"}], "max_visits": 3}
    loaded = workflow({"n": asking(retry={"attempts": 1}), "again": again}, edges=[{"from": "n", "to": "again"}])
    assert bound_of(loaded, catalogue(one=model(context=100)), ONE).known == sends(4)


def test_a_long_chain_is_bounded_without_going_through_it_for_each_node():
    names = [f"n{place}" for place in range(5000)]
    code = {"kind": "code", "code": "x"}
    edges = [{"from": one, "to": other} for one, other in pairwise(names)]
    spec = WorkflowSpec.model_validate(
        {"workflow": "w", "nodes": dict.fromkeys(names, code), "start": "n0", "edges": edges, "limits": {"steps": 5000}}
    )
    assert set(most_visits(spec).values()) == {1}
    looped = spec.model_copy(update={"edges": (*spec.edges, Edge.model_validate({"from": "n4999", "to": "n0"}))})
    looped.nodes["n7"] = looped.nodes["n7"].model_copy(update={"max_visits": 3})
    assert most_visits(WorkflowSpec.model_validate(looped.model_dump(by_alias=True)))["n4999"] == 4
