"""Items and their tasks, visits, retries and bounds of one node, whatever its kind."""

import asyncio
from decimal import Decimal
from traceback import format_exception

import pytest

from harness.exceptions import (
    BudgetExceeded,
    CallableRefused,
    FindingRefused,
    LimitOfRunReached,
    NodeFailed,
    NodeTimedOut,
    Overloaded,
)
from harness.ledger.tasks import Task, task_id_for
from harness.tools.redaction import Redactor
from harness.workflow.events import FallbackTaken, ItemFinished, ItemSkipped, NodeFinished, NodeRetried, NodeStarted
from tests.workflow.conftest import MemoryJournal


def one_node(node, *, state=None, **rest):
    keys = {"items": {}, "found": {}} | (state or {})
    node = {"kind": "code", "code": "work"} | node
    return {"workflow": "w", "state": keys, "inputs": ["items"], "nodes": {"n": node}, "start": "n", **rest}


EACH = one_node({"for_each": "items", "item": "it", "arguments": {"x": {"from": "it"}}, "output": "found"})


def test_results_are_in_the_items_order_and_events_count_them(run_graph):
    async def work(x: int) -> int:
        for _ in range(5 - x):
            await asyncio.sleep(0)
        return x * 2

    assert asyncio.run(run_graph(EACH, {"work": work}, items=[0, 1, 2, 3]))["found"] == [0, 2, 4, 6]
    assert isinstance(run_graph.events[0], NodeStarted)
    assert run_graph.events[0].items == 4
    assert [each.done for each in run_graph.events if isinstance(each, ItemFinished)] == [1, 2, 3, 4]
    assert isinstance(run_graph.events[-1], NodeFinished)


@pytest.mark.parametrize("items", [None, []])
def test_no_items_are_an_empty_list(run_graph, items):
    assert asyncio.run(run_graph(EACH, {}, items=items))["found"] == []


@pytest.mark.parametrize("items", ["text", 3, {"a": 1}])
def test_what_is_no_list_has_no_items(run_graph, items):
    with pytest.raises(NodeFailed, match=r"'items' holds .*, not a list"):
        asyncio.run(run_graph(EACH, {}, items=items))


@pytest.mark.parametrize(
    ("items", "keys"), [([{"name": "a"}, {"name": "b"}], ["a", "b"]), (["x", "y"], ["x", "y"]), ([1], ["1"])]
)
def test_each_item_is_a_task_of_its_own_within_the_runs(run_graph, items, keys):
    node = {"for_each": "items", "task": {"kind": "package", "key": "name"}, "output": "found"}
    asyncio.run(run_graph(one_node(node), {"work": lambda: 1}, items=items))
    tasks = [each for each in run_graph.events if isinstance(each, Task)]
    assert [(each.key, each.kind, each.parent_id) for each in tasks] == [(key, "package", "task") for key in keys]
    assert [each.task_id for each in tasks] == [task_id_for("run", "package", key) for key in keys]


def test_a_retry_is_told_and_only_the_item_that_failed_is_tried_again(run_graph):
    tried = []

    async def work(x: int) -> int:
        tried.append(x)
        if x == 1 and tried.count(1) < 3:
            raise Overloaded("e", "busy")
        return x

    assert asyncio.run(run_graph(EACH, {"work": work}, items=[0, 1, 2]))["found"] == [0, 1, 2]
    assert sorted(tried) == [0, 1, 1, 1, 2]
    retried = [each for each in run_graph.events if isinstance(each, NodeRetried)]
    assert [(each.node, each.attempt) for each in retried] == [("n", 1), ("n", 2)]
    assert "busy" in retried[0].reason


def test_a_node_that_takes_too_long_is_stopped_and_says_so(run_graph):
    node = {"timeout_seconds": 0.02, "retry": {"attempts": 2}}

    async def work() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NodeTimedOut, match=r"timeout_seconds=0\.02"):
        asyncio.run(run_graph(one_node(node), {"work": work}))
    assert len([each for each in run_graph.events if isinstance(each, NodeRetried)]) == 1


def test_a_timeout_of_the_codes_own_is_its_failure_and_not_the_nodes_bound(run_graph):
    async def work() -> None:
        raise TimeoutError("socket")

    with pytest.raises(NodeFailed, match="TimeoutError: socket"):
        asyncio.run(run_graph(one_node({"timeout_seconds": 60}), {"work": work}))


def test_what_code_raises_is_named_with_the_command_to_resume(run_graph):
    def work() -> None:
        raise ValueError("of mine")

    with pytest.raises(NodeFailed, match="'n' failed: ValueError: of mine\nresume it: `harness resume run`"):
        asyncio.run(run_graph(one_node({}), {"work": work}))


@pytest.mark.parametrize("value", [3, ["a text", 4], {"records": [{"text": ""}]}, {"more": []}])
def test_findings_that_are_none_are_refused(run_graph, value):
    spec = one_node({"kind": "remember", "from": "items"})
    del spec["nodes"]["n"]["code"]
    with pytest.raises(FindingRefused):
        asyncio.run(run_graph(spec, {}, items=value))


def test_what_runs_beside_a_node_that_fails_is_finished_before_the_run_stops(run_graph):
    nodes = {name: {"kind": "code", "code": name} for name in ("bad", "good", "worse")}
    finished = []

    async def bad() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def good() -> None:
        await asyncio.sleep(0.03)
        finished.append("good")

    async def worse() -> None:
        await asyncio.sleep(0.01)
        finished.append("worse")
        raise ValueError("second")

    spec = {"workflow": "w", "state": {}, "nodes": nodes, "start": list(nodes)}
    with pytest.raises(NodeFailed):
        asyncio.run(run_graph(spec, {"bad": bad, "good": good, "worse": worse}))
    assert finished == ["worse", "good"]


SKIPPING = {
    "for_each": "items",
    "item": "it",
    "arguments": {"x": {"from": "it"}},
    "output": "found",
    "on_item_error": "skip",
    "errors": "bad",
    "retry": {"attempts": 1},
}


def odd_only(x: int) -> int:
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return x


def test_items_that_fail_are_skipped_and_listed_in_the_items_order(run_graph):
    spec = one_node(SKIPPING, state={"bad": {"type": "array"}})
    state = asyncio.run(run_graph(spec, {"work": odd_only}, items=[1, 2, 3, 4]))
    assert state["found"] == [1, None, 3, None]
    assert state["bad"] == [
        {"item": 1, "error": "ValueError", "message": "2 is even"},
        {"item": 3, "error": "ValueError", "message": "4 is even"},
    ]
    assert {each.item for each in run_graph.events if isinstance(each, ItemSkipped)} == {1, 3}


def test_a_list_of_skipped_items_is_empty_where_none_failed(run_graph):
    spec = one_node(SKIPPING, state={"bad": {"type": "array"}})
    assert asyncio.run(run_graph(spec, {"work": odd_only}, items=[1, 3]))["bad"] == []


def test_a_refused_budget_is_not_skipped(run_graph):
    def work(x: int) -> int:
        raise BudgetExceeded("person:ada", "usd", Decimal(1), Decimal(1), Decimal(0), Decimal(1), None)

    with pytest.raises(BudgetExceeded):
        asyncio.run(run_graph(one_node(SKIPPING, state={"bad": {}}), {"work": work}, items=[1]))


def test_a_map_does_what_for_each_does(run_graph):
    inner = {"kind": "code", "code": "work", "arguments": {"x": {"from": "it"}}, "output": "found"}
    spec = one_node({}) | {"nodes": {"n": {"kind": "map", "over": "items", "item": "it", "node": inner}}}
    assert asyncio.run(run_graph(spec, {"work": lambda x: x + 1}, items=[1, 2]))["found"] == [2, 3]


def test_items_that_are_done_are_not_done_again_when_another_one_failed(run_graph):
    done, journal, broken = [], MemoryJournal(), {3}

    def work(x: int) -> int:
        done.append(x)
        if x in broken:
            raise ValueError("not yet")
        return x

    node = {**EACH["nodes"]["n"], "max_concurrency": 1}
    with pytest.raises(NodeFailed):
        asyncio.run(run_graph(one_node(node), {"work": work}, services={"journal": journal}, items=[1, 2, 3, 4]))
    assert [step.status for step in journal.recorded.values()] == ["done", "done", "failed"]
    broken.clear()
    state = asyncio.run(run_graph(one_node(node), {"work": work}, services={"journal": journal}, items=[1, 2, 3, 4]))
    assert state["found"] == [1, 2, 3, 4]
    assert done == [1, 2, 3, 3, 4]


def test_a_result_is_not_taken_for_an_item_that_changed(run_graph):
    journal = MemoryJournal()
    for items in ([1, 2], [1, 5]):
        state = asyncio.run(run_graph(EACH, {"work": lambda x: x}, services={"journal": journal}, items=items))
    assert state["found"] == [1, 5]


WHOLE = {"whole_state": True, "output": ["found", "more"]}


def test_code_in_a_langgraph_nodes_shape_reads_the_state_and_returns_an_update(run_graph):
    def node(state: dict) -> dict:
        return {"found": [each * 2 for each in state["items"]]}

    spec = one_node(WHOLE, state={"more": {"default": "as it was"}})
    state = asyncio.run(run_graph(spec, {"work": node}, items=[1, 2]))
    assert (state["found"], state["more"]) == ([2, 4], "as it was")


@pytest.mark.parametrize("output", ["found", ["found", "more"], None])
@pytest.mark.parametrize("returned", [None, {}])
def test_a_langgraph_node_that_returns_nothing_changes_nothing(run_graph, output, returned):
    spec = one_node(WHOLE | {"output": output}, state={"found": {"default": 1}, "more": {"default": 2}})
    state = asyncio.run(run_graph(spec, {"work": lambda _: returned}))
    assert (state["found"], state["more"]) == (1, 2)


def test_a_langgraph_nodes_one_output_is_a_key_of_its_update(run_graph):
    spec = one_node(WHOLE | {"output": "found"})
    assert asyncio.run(run_graph(spec, {"work": lambda _: {"found": 3}}))["found"] == 3


@pytest.mark.parametrize("output", ["found", ["found"]])
def test_a_value_answers_for_a_langgraph_node_as_for_any_other(run_graph, output):
    value = 7 if output == "found" else {"found": 7}
    node = WHOLE | {"output": output, "fallback": {"value": value}, "retry": {"attempts": 1}}

    def work(state):
        raise ValueError("x")

    assert asyncio.run(run_graph(one_node(node), {"work": work}))["found"] == 7


@pytest.mark.parametrize(
    ("returned", "output", "words"),
    [
        ({"found": 1, "items": 2, "odd": 3}, ["found"], "it returned 'items', 'odd', and its node writes 'found': name each"),
        ({"found": 1}, None, "its node writes nothing"),
        ([1], ["found"], "it returned list: return a mapping of state keys, or None"),
    ],
)  # fmt: skip
def test_what_a_langgraph_node_may_not_write_is_named(run_graph, returned, output, words):
    with pytest.raises(CallableRefused, match=words):
        asyncio.run(run_graph(one_node(WHOLE | {"output": output}), {"work": lambda _: returned}))


@pytest.mark.parametrize(
    ("other", "reads"),
    [
        ({"code": "other"}, 1),
        ({"arguments": {"x": {"from": "it"}, "by": 3}}, 1),
        ({}, 2),
    ],
)
def test_a_result_is_not_taken_from_other_code_or_from_what_else_it_read(run_graph, other, reads):
    journal, node = MemoryJournal(), EACH["nodes"]["n"]
    node = node | {"arguments": {"x": {"from": "it"}, "by": {"from": "rate"}}}
    registry = {"work": lambda x, by: x * by, "other": lambda x, by: -x * by}

    def found(node, rate):
        spec = one_node(node, state={"rate": {"default": rate}})
        return asyncio.run(run_graph(spec, registry, services={"journal": journal}, items=[1, 2]))["found"]

    assert found(node, 1) == [1, 2]
    assert found(node, 1) == [1, 2]
    assert len(journal.recorded) == 2
    assert found(node | other, reads) != [1, 2]


SECRET = Redactor(["tok-secret"])


def test_secrets_in_what_code_raises_are_in_no_error_event_or_record(run_graph):
    journal, services = MemoryJournal(), {}
    services |= {"journal": journal, "redactor": SECRET}

    def work(x: int) -> int:
        raise OSError("no entry with tok-secret")

    retrying = SKIPPING | {"retry": {"attempts": 2, "backoff_seconds": 0, "on": ["OSError"]}}
    state = asyncio.run(run_graph(one_node(retrying, state={"bad": {}}), {"work": work}, services=services, items=[1]))
    assert state["bad"] == [{"item": 0, "error": "OSError", "message": "no entry with [redacted]"}]
    assert {type(each) for each in run_graph.events} >= {NodeRetried, ItemSkipped}
    with pytest.raises(NodeFailed, match=r"OSError: no entry with \[redacted\]") as raised:
        asyncio.run(run_graph(EACH, {"work": work}, services=services, items=[1]))
    assert "tok-secret" not in "".join(format_exception(raised.value))
    falling = EACH["nodes"]["n"] | {"fallback": {"value": 0}}
    asyncio.run(run_graph(one_node(falling), {"work": work}, services=services, items=[2]))
    assert any(isinstance(each, FallbackTaken) for each in run_graph.events)
    assert "tok-secret" not in f"{run_graph.events}{journal.recorded}"


def test_a_secret_in_an_error_of_ours_that_code_raises_is_not_told_either(run_graph):
    def work() -> None:
        raise Overloaded("e", "tok-secret")

    with pytest.raises(NodeFailed, match=r"Overloaded: .*\[redacted\]") as raised:
        asyncio.run(run_graph(one_node({"retry": {"attempts": 1}}), {"work": work}, services={"redactor": SECRET}))
    assert "tok-secret" not in "".join(format_exception(raised.value))


def test_a_reached_limit_is_not_skipped(run_graph):
    def work(x: int) -> int:
        raise LimitOfRunReached("run", "limits.steps of node 'n'", 3)

    with pytest.raises(LimitOfRunReached):
        asyncio.run(run_graph(one_node(SKIPPING, state={"bad": {}}), {"work": work}, items=[1]))
