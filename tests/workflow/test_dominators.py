"""The nodes that every way passes, held against taking each node out of the graph."""

from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.dominators import BEGIN, Dominators
from harness.workflow.graph import Graph, closure

graphs = st.builds(
    lambda starts, edges: Graph(starts, {name: (edges.get(name, frozenset()),) for name in "abcdefg"}),
    st.frozensets(st.sampled_from("abcdefg"), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from("abcdefg"), st.frozensets(st.sampled_from("abcdefg"), max_size=3)),
)


def passed_on_every_way(of: Graph, node: str) -> set[str]:
    """The nodes without which this one is out of reach, itself among them."""
    return {
        each
        for each in of.reachable
        if node not in closure(of.starts - {each}, lambda name, out=each: of.successors(name) - {out})
    }


@given(graphs)
def test_a_node_dominates_those_that_are_out_of_reach_without_it(of: Graph):
    dominators = Dominators(of)
    for node in of.reachable:
        passed = passed_on_every_way(of, node)
        assert {each for each in of.reachable if dominators.dominates(each, node)} == passed
        last = dominators.last_before(node)
        assert (passed - {node} == set()) if last == BEGIN else passed_on_every_way(of, last) == passed - {node}


def test_a_long_chain_of_meetings_is_no_burden():
    choices = {}
    for number in range(3000):
        left, right = f"l{number}", f"r{number}"
        choices[f"s{number}"] = (frozenset({left, right}),)
        choices[left] = choices[right] = (frozenset({f"s{number + 1}"}),)
    choices["s3000"] = ()
    dominators = Dominators(Graph(frozenset({"s0"}), choices))
    assert dominators.last_before("s3000") == "s2999"
    assert dominators.dominates("s0", "s3000")
    assert not dominators.dominates("l7", "s3000")
