"""Which nodes can run at the same time, held against every schedule that a small graph allows."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.workflow.graph import Graph, graph_of
from harness.workflow.parallel import parallel_pairs
from harness.workflow.spec import WorkflowSpec


def graph(starts: str, **choices: str) -> Graph:
    """`a="bc|d"`: after a either b and c in parallel, or d."""
    nodes = set(starts) | set(choices) | {name for text in choices.values() for name in text if name != "|"}
    return Graph(
        frozenset(starts),
        {
            node: tuple(frozenset(targets) for targets in choices[node].split("|")) if node in choices else ()
            for node in sorted(nodes)
        },
    )


def pairs(of: Graph) -> set[str]:
    return {"".join(sorted(pair)) for pair in parallel_pairs(of)}


def test_a_chain_and_exclusive_branches_run_nothing_in_parallel():
    assert pairs(graph("a", a="b", b="c|d", c="e", d="e")) == set()


def test_branches_of_one_fan_out_run_in_parallel_until_they_meet():
    assert pairs(graph("s", s="ab", a="c", c="j", b="j", j="k")) == {"ab", "bc"}


def test_several_starts_are_a_fan_out():
    assert pairs(graph("ab", a="j", b="j")) == {"ab"}


def test_a_branch_that_ends_orders_nothing():
    assert pairs(graph("s", s="ab", a="c", c="d")) == {"ab", "bc", "bd"}


def test_a_target_that_another_target_leads_to_waits_for_it():
    assert pairs(graph("s", s="ab", a="b")) == set()


def test_a_loop_around_a_fan_out_does_not_make_the_rounds_parallel():
    assert pairs(graph("d", d="ab", a="m", b="m", m="r", r="d|")) == {"ab"}


def test_a_loop_that_can_be_entered_behind_the_fan_out_keeps_its_branches_parallel():
    assert pairs(graph("p", p="s|a", s="ab", a="j", b="j", j="p|")) == {"ab"}


def test_a_loop_inside_a_branch_stays_in_the_branch():
    assert pairs(graph("s", s="ab", a="c", c="a|j", b="j")) == {"ab", "bc"}


def test_a_branch_that_goes_back_alone_starts_a_round_beside_the_other():
    assert {"sz", "bs", "az", "bz"} <= pairs(graph("s", s="ab", a="s|", b="z"))


def test_a_branch_that_is_back_at_the_loops_start_waits_for_one_that_comes_there_too():
    assert pairs(graph("s", s="ab", a="s|", b="m", m="s|")) == {"ab", "am"}


def test_a_branch_that_leaves_the_loop_is_waited_for_no_longer():
    assert {"sz", "az", "bz"} <= pairs(graph("s", s="ab", a="s|", b="m", m="s|z"))
    assert "sz" in pairs(graph("s", s="ab", a="b|s", b="z|s"))


def test_two_branches_that_enter_one_loop_at_two_places_are_parallel_in_it():
    assert "jk" in pairs(graph("s", s="ab", a="j", b="k", j="k", k="j|"))


def test_branches_that_met_before_a_choice_are_not_parallel_after_it():
    assert pairs(graph("s", s="ab", a="j", b="j", j="k|l")) == {"ab"}
    assert pairs(graph("s", s="ab", a="j", b="j", j="kl")) == {"ab", "kl"}


def every_schedule(of: Graph) -> set[frozenset[str]]:
    """Reference for graphs without loops: all sets of branches that can stand somewhere at once.

    A node runs when no other branch can still come to it; any that can run may be the next to end, by any edge.
    """

    def ahead(node: str) -> set[str]:
        return {below for child in of.successors(node) for below in {child} | ahead(child)}

    leads = {node: ahead(node) for node in of.choices}
    found: set[frozenset[str]] = set()
    seen = {of.starts}
    waiting = [of.starts]
    while waiting:
        standing = waiting.pop()
        runs = [node for node in standing if not any(node in leads[other] for other in standing)]
        found |= {frozenset(pair) for pair in combinations(runs, 2)}
        for node in runs:
            for targets in of.choices[node] or (frozenset[str](),):
                after = (standing - {node}) | targets
                if after not in seen:
                    seen.add(after)
                    waiting.append(after)
    return found


@st.composite
def acyclic(draw: st.DrawFn, *, closed: bool = False) -> Graph:
    """Nodes in an order that edges follow; `closed`: one start, and every branch comes to the last node."""
    names = "abcdefg"[: draw(st.integers(2, 7))]
    choices: dict[str, tuple[frozenset[str], ...]] = {names[-1]: ()}
    for place, name in enumerate(names[:-1]):
        later = st.frozensets(st.sampled_from(names[place + 1 :]), min_size=1 if closed else 0, max_size=3)
        choices[name] = tuple(draw(st.lists(later, min_size=1 if closed else 0, max_size=2)))
    starts = frozenset("a") if closed else draw(st.frozensets(st.sampled_from(names), min_size=1, max_size=3))
    return Graph(starts, choices)


@settings(max_examples=400, deadline=None)
@given(acyclic())
def test_parallel_pairs_are_exactly_those_that_some_schedule_runs_at_once(of: Graph):
    assert parallel_pairs(of) == every_schedule(of)


@settings(max_examples=200, deadline=None)
@given(acyclic(closed=True))
def test_a_loop_around_a_whole_graph_changes_no_pair(of: Graph):
    last = max(of.choices)
    looped = Graph(of.starts, {**of.choices, last: (of.starts, frozenset())})

    assert parallel_pairs(looped) == parallel_pairs(of)


@settings(max_examples=200, deadline=None)
@given(acyclic(), st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), max_size=3))
def test_a_way_back_takes_no_pair_away(of: Graph, back: list[tuple[str, str]]):
    choices = dict(of.choices)
    for source, target in back:
        # Only where every way to the source passes the target: else the edge is a new way, and orders anew.
        without = Graph(of.starts - {target}, {node: () if node == target else of.choices[node] for node in of.choices})
        if source in of.reachable and target in of.reachable and source not in without.reachable - {target}:
            choices[source] = (*choices[source], frozenset({target}))

    assert parallel_pairs(Graph(of.starts, choices)) >= parallel_pairs(of)


@pytest.mark.parametrize("conditional", [True, False])
def test_edges_after_one_that_always_holds_are_never_taken(conditional: bool):
    first = {"from": "a", "to": "b", "when": {"key": "k", "equals": 1}} if conditional else {"from": "a", "to": "b"}
    node = {"kind": "code", "code": "c"}
    spec = WorkflowSpec.model_validate(
        {
            "workflow": "w",
            "nodes": {"a": node, "b": node, "c": node},
            "start": "a",
            "edges": [first, {"from": "a", "to": ["c", "end", "nowhere"]}],
        }
    )

    assert graph_of(spec).reachable == ({"a", "b", "c"} if conditional else {"a", "b"})
    assert graph_of(spec).choices["a"][0] == {"b"}
