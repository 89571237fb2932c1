"""Loops without a bound, and knots of nodes that lead to each other, held against plain walks through the graph."""

from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.graph import Graph, closure
from harness.workflow.loops import cycles_without, knots

edges_drawn = st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef"), max_size=3))


def drawn(edges: dict[str, frozenset[str]]) -> Graph:
    return Graph(frozenset("a"), {name: (edges.get(name, frozenset()),) for name in "abcdef"})


def graph(**choices: str) -> Graph:
    nodes = sorted(set(choices) | set("".join(choices.values())))
    return Graph(frozenset("a"), {node: (frozenset(choices.get(node, "")),) for node in nodes})


def brute_force_loops(of: Graph, bounded: set[str]) -> bool:
    def walks(node: str, seen: tuple[str, ...]) -> bool:
        return any(target in (*seen, node) or walks(target, (*seen, node)) for target in of.successors(node) - bounded)

    return any(walks(node, ()) for node in of.choices if node not in bounded)


@given(edges_drawn, st.sets(st.sampled_from("abcdef"), max_size=2))
def test_a_loop_without_a_bound_is_found_exactly_where_there_is_one(
    edges: dict[str, frozenset[str]], bounded: set[str]
):
    of = drawn(edges)
    found = cycles_without(of, bounded)

    assert bool(found) == brute_force_loops(of, bounded)
    for loop in found:
        assert not bounded & set(loop)
        assert len(loop) == len(set(loop))
        assert all(after in of.successors(node) for node, after in zip(loop, [*loop[1:], loop[0]], strict=True))


@given(edges_drawn, st.sets(st.sampled_from("abcdef"), max_size=2))
def test_a_knot_is_all_that_leads_to_each_other(edges: dict[str, frozenset[str]], without: set[str]):
    of = drawn(edges)

    def behind(node: str) -> frozenset[str]:
        return closure(of.successors(node) - without, lambda each: of.successors(each) - without)

    expected = {
        frozenset(each for each in behind(node) if node in behind(each))
        for node in "abcdef"
        if node not in without and node in behind(node)
    }
    assert set(knots(of, without)) == expected


def test_each_knot_of_loops_is_named_once_from_its_first_node_on():
    assert cycles_without(graph(a="b", b="ac", c="cd", d="e", e="d"), set()) == [["a", "b"], ["c"], ["d", "e"]]


def test_a_shortest_loop_stands_for_its_knot():
    assert cycles_without(graph(a="b", b="cd", c="d", d="a"), set()) == [["a", "b", "d"]]


def test_a_chain_longer_than_pythons_stack_is_searched():
    names = [f"n{number}" for number in range(20_000)]
    choices = {name: (frozenset({after}),) for name, after in zip(names, [*names[1:], "n0"], strict=True)}
    of = Graph(frozenset({"n0"}), choices)

    assert knots(of) == [frozenset(names)]
    assert knots(of, {"n7"}) == []
    assert len(cycles_without(of, set())[0]) == len(names)
