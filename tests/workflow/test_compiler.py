"""Compiled graphs against a sequential reference, loops with their bounds, reducers, branches, skipped and parallel nodes."""

import asyncio
import random
from contextlib import suppress

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from harness.exceptions import CallableRefused, LimitOfRunReached, NodeFailed
from harness.workflow.joins import uncertain_meetings
from harness.workflow.spec import WorkflowSpec

LETTERS = "abcdefg"
LAST = "z"
# What a condition says in the file, and whether it holds.
CONDITIONS = {
    "mapping": ({"key": "k0", "equals": True}, lambda state: state["k0"]),
    "bare name": ("k1", lambda state: state["k1"]),
    "expression": ("k0 and not k1", lambda state: state["k0"] and not state["k1"]),
    "round": ("turn >= 1 or turn in [7] or k1 == null", lambda state: state["turn"] >= 1),
}
SKIPS = ("bare name", "expression", "round")


class Drawn:
    """A graph as choices: for each node the condition that chooses (or None) and its target sets."""

    def __init__(self, starts, choices, skips, loops, branches=()):
        self.starts = starts
        self.choices = choices
        self.skips = skips  # nodes with a `when` of their own, and which
        self.loops = loops
        self.branches = branches  # nodes that do nothing but choose

    def targets(self, node, state):
        condition, first, second = self.choices[node]
        return first if condition is None or CONDITIONS[condition][1](state) else second

    def before(self, node):
        return sorted(each for each, (_, first, second) in self.choices.items() if node in first | second)

    def spec(self):
        nodes = {name: self._branch(name) if name in self.branches else self._node(name) for name in self.choices}
        nodes[LAST] = {"kind": "code", "code": "count", "arguments": {"turn": {"from": "turn"}}, "output": "turn"}
        nodes[LAST] |= {"max_visits": 5} if self.loops else {}
        keys = {f"v_{name}": {"type": "string"} for name in self.choices} | {
            "k0": {"type": "boolean"},
            "k1": {"type": "boolean"},
            "turn": {"type": "integer", "default": 0},
            "ran": {"type": "array", "reducer": "append", "default": []},
            "sum": {"type": "integer", "reducer": "add", "default": 0},
            "rounds": {"type": "object", "reducer": "merge", "default": {}},
            "latest": {"type": "string", "reducer": "last"},
        }
        return WorkflowSpec.model_validate(
            {
                "workflow": "w",
                "state": keys,
                "nodes": nodes,
                "start": sorted(self.starts),
                "edges": [*self._edges(), *self._loop()],
            }
        )

    def _node(self, name):
        told = {"name": name, "turn": {"from": "turn"}}
        told |= {f"from_{each}": {"from": f"v_{each}"} for each in self.before(name)}
        output = [f"v_{name}", "ran", "sum", "rounds", "latest"]
        node = {"kind": "code", "code": "work", "arguments": told, "output": output}
        return node | ({"when": CONDITIONS[self.skips[name]][0]} if name in self.skips else {})

    def _branch(self, name):
        condition, first, second = self.choices[name]
        cases = [{"when": CONDITIONS[condition][0], "to": min(first, default=LAST)}, {"to": min(second, default=LAST)}]
        cases[0]["when"] = "k0 == true" if condition == "mapping" else cases[0]["when"]
        return {"kind": "branch", "cases": cases}

    def _edges(self):
        for name, (condition, *targets) in self.choices.items():
            first, second = (sorted(each) or [LAST] for each in targets)
            if name in self.branches:
                continue
            if condition is not None:
                yield {"from": name, "to": first, "when": CONDITIONS[condition][0]}
            yield {"from": name, "to": first if condition is None else second}

    def _loop(self):
        if self.loops:
            yield {"from": LAST, "to": sorted(self.starts), "when": {"key": "turn", "equals": 1}}
            yield {"from": LAST, "to": "end"}

    def reference(self, state):
        """Node after node, in the order of the letters, which every edge follows."""
        for _ in range(2 if self.loops else 1):
            reached = set(self.starts)
            for name in sorted(self.choices):
                if name not in reached:
                    continue
                reached |= self.targets(name, state)
                skipped = name in self.skips and not CONDITIONS[self.skips[name]][1](state)
                if skipped or name in self.branches:
                    continue
                told = {f"from_{each}": state[f"v_{each}"] for each in self.before(name)}
                state |= self.written(name, state["turn"], told, state)
            state["turn"] += 1
        return state

    def written(self, name, turn, told, before=None):
        before = before or {"ran": [], "sum": 0, "rounds": {}}
        return {
            f"v_{name}": said(name, turn, told),
            "ran": [*before["ran"], f"{name}{turn}"],
            "sum": before["sum"] + ord(name) + turn,
            "rounds": before["rounds"] | {name: turn},
            "latest": name,
        }


def said(name, turn, told):
    return f"{name}{turn}({','.join(told[each] or '-' for each in sorted(told))})"


@st.composite
def drawn_graphs(draw):
    names = LETTERS[: draw(st.integers(2, len(LETTERS)))]
    conditions = st.sampled_from([None, None, None, None, *CONDITIONS])
    choices, branches = {}, set()
    for place, name in enumerate(names):
        ahead = names[place + 1 :]
        condition = draw(conditions)
        chooses = condition is not None and draw(st.booleans())
        branches |= {name} if chooses else set()
        later = st.sets(st.sampled_from(ahead), max_size=1 if chooses else 3) if ahead else st.just(set())
        choices[name] = (condition, frozenset(draw(later)), frozenset(draw(later) if condition else ()))
    starts = frozenset(draw(st.sets(st.sampled_from(names), min_size=1, max_size=2)))
    reached = set(starts)
    for name in sorted(choices):
        reached |= frozenset().union(*choices[name][1:]) if name in reached else frozenset()
    choices = {name: choices[name] for name in sorted(reached)}
    skips = draw(st.dictionaries(st.sampled_from(sorted(choices)), st.sampled_from(SKIPS), max_size=2))
    skips = {name: skip for name, skip in skips.items() if name not in branches}
    return Drawn(starts, choices, skips, loops=draw(st.booleans()), branches=branches & reached)


def chain(**edges):
    choices = {name: (None, frozenset(text), frozenset()) for name, text in edges.items()}
    return Drawn(frozenset("a"), choices, {}, loops=True)


class Conductor:
    """Lets nodes that run at the same time end one by one, in an order that is drawn."""

    def __init__(self, chance):
        self._chance = chance
        self._waiting = []

    async def turn(self):
        """Wait to be let go on."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    async def conduct(self):
        while True:
            for _ in range(20):  # until all that can begin have begun
                await asyncio.sleep(0)
            if self._waiting:
                self._waiting.pop(self._chance.randrange(len(self._waiting))).set_result(None)


async def conducted(work, conductor):
    """What `work` comes to while the conductor lets its parts end."""
    conducting = asyncio.create_task(conductor.conduct())
    try:
        return await work
    finally:
        conducting.cancel()
        with suppress(asyncio.CancelledError):
            await conducting


def ended(run_graph, drawn, spec, chance, **inputs):
    """The final state, its nodes having ended in an order of chance."""
    conductor = Conductor(chance)

    async def work(
        name: str,
        turn: int,
        from_a: str | None = None,
        from_b: str | None = None,
        from_c: str | None = None,
        from_d: str | None = None,
        from_e: str | None = None,
        from_f: str | None = None,
    ):
        given = {"from_a": from_a, "from_b": from_b, "from_c": from_c}
        given |= {"from_d": from_d, "from_e": from_e, "from_f": from_f}
        told = {f"from_{each}": given[f"from_{each}"] for each in drawn.before(name)}
        await conductor.turn()
        return drawn.written(name, turn, told)

    async def count(turn: int):
        await conductor.turn()
        return turn + 1

    running = run_graph(spec, {"work": work, "count": count}, **inputs)
    return asyncio.run(conducted(running, conductor))


@settings(max_examples=150, deadline=None)
@given(drawn_graphs(), st.booleans(), st.booleans(), st.integers(0, 1000))
@example(chain(a="bc", b="c", c=""), True, True, 1)
@example(chain(a="bc", b="d", c="e", d="e", e=""), True, True, 1)
def test_every_node_runs_once_a_visit_after_all_that_lead_to_it_whatever_the_timing(run_graph, drawn, k0, k1, seed):
    spec = drawn.spec()
    assume(not uncertain_meetings(spec))
    chance = random.Random(seed)
    got = ended(run_graph, drawn, spec, chance, k0=k0, k1=k1)

    # In every other order the same, to the place of each element in what reducers join.
    assert ended(run_graph, drawn, spec, chance, k0=k0, k1=k1) == got
    empty = {f"v_{name}": None for name in drawn.choices}
    empty |= {"k0": k0, "k1": k1, "turn": 0, "ran": [], "sum": 0, "rounds": {}, "latest": None}
    expected = drawn.reference(empty)
    assert sorted(got.pop("ran")) == sorted(expected.pop("ran"))
    got.pop("_visits", None)
    got.pop("latest")  # of parallel nodes the last by name, which the reference's order does not tell
    expected.pop("latest")
    assert got == expected


@given(st.lists(st.text(max_size=2), max_size=12), st.integers(1, 5), st.integers(0, 1000))
def test_a_list_keeps_its_order_whichever_items_end_first(run_graph, items, most, seed):
    node = {"kind": "code", "code": "same", "arguments": {"item": {"from": "item"}}, "output": "got"}
    mapped = {"kind": "map", "over": "items", "max_concurrency": most, "node": node}
    spec = simple({"m": mapped}, {"items": {"type": "array"}, "got": {"type": "array"}}, start="m")
    conductor = Conductor(random.Random(seed))

    async def same(item: str):
        await conductor.turn()
        return item

    state = asyncio.run(conducted(run_graph(spec | {"inputs": ["items"]}, {"same": same}, items=items), conductor))
    assert state["got"] == items


def simple(nodes, state=None, **rest):
    return {"workflow": "w", "state": state or {}, "nodes": nodes, **rest}


LOOP = simple(
    {
        "a": {"kind": "code", "code": "add", "arguments": {"n": {"from": "n"}}, "output": "n", "max_visits": 3},
        "b": {"kind": "code", "code": "same", "arguments": {"n": {"from": "n"}}, "output": "n"},
    },
    {"n": {"type": "integer", "default": 0}},
    start="a",
)


def add(n: int) -> int:
    return n + 1


def same(n: int) -> int:
    return n


def test_a_loop_without_a_way_out_ends_at_its_bound(run_graph):
    spec = LOOP | {"edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]}
    with pytest.raises(LimitOfRunReached, match="max_visits of node 'a'=3"):
        asyncio.run(run_graph(spec, {"add": add, "same": same}))


def test_a_loop_whose_visits_are_used_up_takes_the_next_edge_that_holds(run_graph):
    back = {"from": "b", "to": "a", "when": {"key": "n", "equals": 3}}
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "a", "when": {"key": "n", "equals": 1}}]
    edges += [{"from": "b", "to": "a", "when": {"key": "n", "equals": 2}}, back, {"from": "b", "to": "end"}]
    assert asyncio.run(run_graph(LOOP | {"edges": edges}, {"add": add, "same": same}))["n"] == 3


def test_the_bound_of_a_loop_where_branches_meet_counts_rounds(run_graph):
    def node(name, **more):
        return {"kind": "code", "code": "note", "arguments": {"name": name}, "output": "ran"} | more

    spec = simple(
        {"d": node("d", max_visits=3), "a": node("a"), "b": node("b"), "c": node("c")},
        {"ran": {"type": "array", "reducer": "append", "default": []}},
        start="d",
        edges=[
            {"from": "d", "to": ["a", "b"]},
            {"from": "a", "to": "c"},
            {"from": "c", "to": "d"},
            {"from": "b", "to": "d"},
        ],
    )
    ran = []

    def note(name: str) -> list[str]:
        ran.append(name)
        return [name]

    with pytest.raises(LimitOfRunReached):
        asyncio.run(run_graph(spec, {"note": note}))
    assert "".join(sorted(ran)) == "aaabbbcccddd"


@pytest.mark.parametrize(
    ("reducer", "start", "one", "two", "expected"),
    [
        ("append", [0], [1], [2], [0, 1, 2]),
        ("append", None, [1], None, [1]),
        ("merge", {"x": 0}, {"x": 1, "y": 1}, {"x": 2}, {"x": 2, "y": 1}),
        ("add", 1, 2, 3.5, 6.5),
        ("last", "s", "one", "two", "two"),
    ],
)
def test_reducers_join_what_parallel_nodes_write(run_graph, reducer, start, one, two, expected):
    nodes = {
        "one": {"kind": "code", "code": "is", "arguments": {"x": one}, "output": "k"},
        "two": {"kind": "code", "code": "is", "arguments": {"x": two}, "output": "k"},
    }
    spec = simple(nodes, {"k": {"reducer": reducer, "default": start}}, start=["one", "two"])
    assert asyncio.run(run_graph(spec, {"is": lambda x: x}))["k"] == expected


@pytest.mark.parametrize(("reducer", "written"), [("append", "text"), ("merge", [1]), ("add", "1"), ("add", True)])
def test_what_a_reducer_cannot_join_fails_the_node_that_writes_it(run_graph, reducer, written):
    nodes = {"one": {"kind": "code", "code": "is", "arguments": {"x": written}, "output": "k"}}
    with pytest.raises(NodeFailed, match="state key 'k' holds"):
        asyncio.run(run_graph(simple(nodes, {"k": {"reducer": reducer}}, start="one"), {"is": lambda x: x}))


@pytest.mark.parametrize(("value", "runs"), [(None, 0), (False, 0), ([], 0), ("", 0), (True, 1), ([0], 1)])
def test_a_node_whose_when_is_not_true_is_skipped_and_the_run_goes_on(run_graph, value, runs):
    nodes = {
        "one": {"kind": "code", "code": "is", "arguments": {"x": "ran"}, "output": "k", "when": "w"},
        "two": {"kind": "code", "code": "is", "arguments": {"x": {"from": "k"}}, "output": "after"},
    }
    spec = simple(nodes, {"k": {"default": "kept"}, "w": {}, "after": {}}, start="one", inputs=["w"])
    spec |= {"edges": [{"from": "one", "to": "two"}]}
    state = asyncio.run(run_graph(spec, {"is": lambda x: x}, w=value))
    assert state["after"] == ("ran" if runs else "kept")


@pytest.mark.parametrize(("value", "equals", "taken"), [(1, True, False), (True, 1, False), (True, True, True)])
def test_a_condition_compares_as_json_does(run_graph, value, equals, taken):
    nodes = {
        "one": {"kind": "code", "code": "is", "arguments": {"x": value}, "output": "k"},
        "two": {"kind": "code", "code": "is", "arguments": {"x": True}, "output": "taken"},
    }
    spec = simple(nodes, {"k": {}, "taken": {"default": False}}, start="one")
    spec |= {"edges": [{"from": "one", "to": "two", "when": {"key": "k", "equals": equals}}]}
    assert asyncio.run(run_graph(spec, {"is": lambda x: x}))["taken"] is taken


def test_a_result_with_several_outputs_is_spread_over_them(run_graph):
    nodes = {"one": {"kind": "code", "code": "is", "arguments": {"x": {"a": 1, "b": 2, "c": 3}}, "output": ["a", "b"]}}
    spec = simple(nodes, {"a": {}, "b": {}}, start="one")
    assert asyncio.run(run_graph(spec, {"is": lambda x: x})) == {"a": 1, "b": 2}
    nodes["one"]["arguments"]["x"] = {"a": 1}
    with pytest.raises(CallableRefused, match="'b'"):
        asyncio.run(run_graph(simple(nodes, {"a": {}, "b": {}}, start="one"), {"is": lambda x: x}))


def test_a_value_of_the_wrong_type_is_refused_before_it_reaches_the_state(run_graph):
    nodes = {"one": {"kind": "code", "code": "is", "arguments": {"x": "three"}, "output": "n"}}
    with pytest.raises(NodeFailed, match="state key 'n' holds integer, not str"):
        asyncio.run(run_graph(simple(nodes, {"n": {"type": "integer"}}, start="one"), {"is": lambda x: x}))


BRANCHING = simple(
    {
        "a": {"kind": "code", "code": "is", "arguments": {"x": {"from": "score"}}, "output": "seen"},
        "choose": {
            "kind": "branch",
            "cases": [
                {"when": "score >= 8", "to": "high"},
                {"when": "present(score) and score >= 5", "to": "middle"},
                {"to": "low"},
            ],
        },
        **{
            name: {"kind": "code", "code": "is", "arguments": {"x": name}, "output": "took"}
            for name in ("high", "middle", "low")
        },
    },
    {"score": {"type": "number"}, "seen": {}, "took": {}},
    start="a",
    inputs=["score"],
    edges=[{"from": "a", "to": "choose"}],
)


@pytest.mark.parametrize(("score", "way"), [(9, "high"), (8, "high"), (7.5, "middle"), (5, "middle"), (4, "low")])
def test_a_branch_takes_the_first_case_that_holds(run_graph, score, way):
    assert asyncio.run(run_graph(BRANCHING, {"is": lambda x: x}, score=score))["took"] == way


def test_a_condition_that_fails_fails_its_node_with_its_place(run_graph):
    with pytest.raises(NodeFailed) as failed:
        asyncio.run(run_graph(BRANCHING, {"is": lambda x: x}, score=None))
    assert failed.value.node == "choose"
    assert "column 7: `>=` compares two numbers or two texts, not null with a number" in str(failed.value)
    assert "present(score)" in str(failed.value)


def test_cases_after_the_one_that_holds_are_not_asked(run_graph):
    cases = [{"when": "not present(score)", "to": "low"}, {"when": "score > 3", "to": "high"}, {"to": "middle"}]
    spec = BRANCHING | {"nodes": BRANCHING["nodes"] | {"choose": {"kind": "branch", "cases": cases}}}
    assert asyncio.run(run_graph(spec, {"is": lambda x: x}, score=None))["took"] == "low"


def test_what_runs_beside_a_condition_that_fails_is_done_before_the_run_fails(run_graph):
    done = []

    async def slow(x: str) -> str:
        for _ in range(200):
            await asyncio.sleep(0)
        done.append(x)
        return x

    async def quick(x: str) -> str:
        return x

    nodes = {
        "one": {"kind": "code", "code": "quick", "arguments": {"x": "1"}, "output": "a"},
        "two": {"kind": "code", "code": "slow", "arguments": {"x": "2"}, "output": "b"},
        "three": {"kind": "code", "code": "quick", "arguments": {"x": "3"}, "output": "c"},
    }
    edges = [{"from": "one", "to": "three", "when": "n > 1"}]
    spec = simple(nodes, {"a": {}, "b": {}, "c": {}, "n": {"type": "number"}}, start=["one", "two"], edges=edges)
    with pytest.raises(NodeFailed, match="node 'one' failed: where to go on"):
        asyncio.run(run_graph(spec, {"quick": quick, "slow": slow}))
    assert done == ["2"]


def test_a_branch_counts_its_visits_and_bounds_a_loop(run_graph):
    nodes = {
        "a": {"kind": "code", "code": "add", "arguments": {"n": {"from": "n"}}, "output": "n"},
        "again": {"kind": "branch", "cases": [{"when": "n < 100", "to": "a"}, {"to": "end"}], "max_visits": 4},
    }
    spec = simple(nodes, {"n": {"type": "integer", "default": 0}}, start="a", edges=[{"from": "a", "to": "again"}])
    with pytest.raises(LimitOfRunReached, match="max_visits of node 'again'=4"):
        asyncio.run(run_graph(spec, {"add": add}))
    nodes["again"]["cases"][0]["when"] = "n < 4"
    assert asyncio.run(run_graph(spec, {"add": add}))["n"] == 4


def test_the_node_of_a_failed_run_is_no_part_of_one_that_goes_well(run_graph):
    nodes = {
        "a": {"kind": "code", "code": "is", "arguments": {"x": 1}, "output": "n"},
        "tell": {"kind": "code", "code": "is", "arguments": {"x": 2}, "output": "n"},
    }
    spec = simple(nodes, {"n": {}, "error": {"type": "object"}}, start="a", on_error="tell")
    assert asyncio.run(run_graph(spec, {"is": lambda x: x}))["n"] == 1
