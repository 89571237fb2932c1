"""Compiled graphs against a sequential reference, loops with their bounds, reducers, skipped and parallel nodes."""

import asyncio
import random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from harness.exceptions import CallableRefused, LimitOfRunReached, NodeFailed
from harness.workflow.joins import uncertain_meetings
from harness.workflow.spec import WorkflowSpec

LETTERS = "abcdefg"
CONDITIONS = ("k0", "k1")
LAST = "z"


class Drawn:
    """A graph as choices: for each node the condition that chooses (or None) and its target sets."""

    def __init__(self, starts, choices, skips, loops):
        self.starts = starts
        self.choices = choices
        self.skips = skips  # nodes with a `when` of their own, and on which key
        self.loops = loops

    def targets(self, node, state):
        condition, first, second = self.choices[node]
        return first if condition is None or state[condition] else second

    def before(self, node):
        return sorted(each for each, (_, first, second) in self.choices.items() if node in first | second)

    def spec(self):
        nodes = {name: self._node(name) for name in self.choices}
        nodes[LAST] = {"kind": "code", "code": "count", "arguments": {"turn": {"from": "turn"}}, "output": "turn"}
        nodes[LAST] |= {"max_visits": 5} if self.loops else {}
        keys = {f"v_{name}": {"type": "string"} for name in self.choices}
        keys |= {key: {"type": "boolean"} for key in CONDITIONS}
        return WorkflowSpec.model_validate(
            {
                "workflow": "w",
                "state": keys
                | {
                    "turn": {"type": "integer", "default": 0},
                    "ran": {"type": "array", "reducer": "append", "default": []},
                },
                "nodes": nodes,
                "start": sorted(self.starts),
                "edges": [*self._edges(), *self._loop()],
            }
        )

    def _node(self, name):
        told = {"name": name, "turn": {"from": "turn"}}
        told |= {f"from_{each}": {"from": f"v_{each}"} for each in self.before(name)}
        node = {"kind": "code", "code": "work", "arguments": told, "output": [f"v_{name}", "ran"]}
        return node | ({"when": self.skips[name]} if name in self.skips else {})

    def _edges(self):
        for name, (condition, *targets) in self.choices.items():
            first, second = (sorted(each) or [LAST] for each in targets)
            if condition is not None:
                yield {"from": name, "to": first, "when": {"key": condition, "equals": True}}
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
                if name in self.skips and not state[self.skips[name]]:
                    continue
                told = {f"from_{each}": state[f"v_{each}"] for each in self.before(name)}
                state[f"v_{name}"] = said(name, state["turn"], told)
                state["ran"] = [*state["ran"], f"{name}{state['turn']}"]
            state["turn"] += 1
        return state


def said(name, turn, told):
    return f"{name}{turn}({','.join(told[each] or '-' for each in sorted(told))})"


@st.composite
def drawn_graphs(draw):
    names = LETTERS[: draw(st.integers(2, len(LETTERS)))]
    choices = {}
    for place, name in enumerate(names):
        later = st.sets(st.sampled_from(names[place + 1 :]), max_size=3) if names[place + 1 :] else st.just(set())
        condition = draw(st.sampled_from([None, None, None, *CONDITIONS]))
        choices[name] = (condition, frozenset(draw(later)), frozenset(draw(later) if condition else ()))
    starts = frozenset(draw(st.sets(st.sampled_from(names), min_size=1, max_size=2)))
    reached = set(starts)
    for name in sorted(choices):
        reached |= frozenset().union(*choices[name][1:]) if name in reached else frozenset()
    choices = {name: choices[name] for name in sorted(reached)}
    skips = draw(st.dictionaries(st.sampled_from(sorted(choices)), st.sampled_from(CONDITIONS), max_size=2))
    return Drawn(starts, choices, skips, loops=draw(st.booleans()))


def chain(**edges):
    choices = {name: (None, frozenset(text), frozenset()) for name, text in edges.items()}
    return Drawn(frozenset("a"), choices, {}, loops=True)


@settings(max_examples=150, deadline=None)
@given(drawn_graphs(), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
@example(chain(a="bc", b="c", c=""), True, True, random.Random(1))
@example(chain(a="bc", b="d", c="e", d="e", e=""), True, True, random.Random(1))
def test_every_node_runs_once_a_visit_after_all_that_lead_to_it_whatever_the_timing(run_graph, drawn, k0, k1, chance):
    spec = drawn.spec()
    assume(not uncertain_meetings(spec))

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
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))
        return {f"v_{name}": said(name, turn, told), "ran": [f"{name}{turn}"]}

    async def count(turn: int):
        return turn + 1

    got = asyncio.run(run_graph(spec, {"work": work, "count": count}, k0=k0, k1=k1))
    empty = {f"v_{name}": None for name in drawn.choices}
    expected = drawn.reference(empty | {"k0": k0, "k1": k1, "turn": 0, "ran": []})
    assert sorted(got.pop("ran")) == sorted(expected.pop("ran"))
    got.pop("_visits", None)
    assert got == expected


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
