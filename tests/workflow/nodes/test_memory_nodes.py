"""Recall and remember as nodes: what they read of the state, and what they leave alone."""

import asyncio

import pytest

from harness.workflow.nodes.findings import Remembered
from harness.workflow.nodes.recollection import RemembersFor


class Memory:
    """Stands where the memory stands and notes what it is asked."""

    def __init__(self):
        self.asked = []

    async def recall(self, query, node, *, session, who):
        self.asked.append((query, node.limit, session, who))
        return [{"text": f"about {query}"}]

    async def remember_texts(self, texts, _node, *, session, trust, path, who):
        self.asked.append((texts, session, trust, path, who))
        return len(texts) - 1


def spec(node, **state):
    keys = {"items": {}, "found": {}} | {key: {"default": value} for key, value in state.items()}
    return {"workflow": "w", "state": keys, "inputs": ["items"], "nodes": {"n": node}, "start": "n"}


def run(run_graph, node, memory, items, **state):
    return asyncio.run(run_graph(spec(node, **state), {}, services={"recollection": lambda: memory}, items=items))


WHO = RemembersFor("acme", "ada", None, "run", "w", "n")


def test_a_recall_searches_for_what_a_key_holds_within_its_session(run_graph):
    memory = Memory()
    scope = {"session": {"from": "day"}}
    node = {"kind": "recall", "query": "items", "limit": 3, "scope": scope, "output": "found"}
    state = run(run_graph, node, memory, "tea", day="monday")
    assert state["found"] == [{"text": "about tea"}]
    assert memory.asked == [("tea", 3, "monday", WHO)]


@pytest.mark.parametrize("query", [None, "", "  \n"])
def test_nothing_is_searched_for_without_words(run_graph, query):
    memory = Memory()
    node = {"kind": "recall", "query": "items", "output": "found"}
    assert run(run_graph, node, memory, query)["found"] == []
    assert memory.asked == []


def test_a_recall_runs_for_each_item_of_a_list(run_graph):
    node = {"kind": "recall", "for_each": "items", "query": "item.topic", "output": "found"}
    state = run(run_graph, node, Memory(), [{"topic": "tea"}, {"topic": "coffee"}])
    assert state["found"] == [[{"text": "about tea"}], [{"text": "about coffee"}]]


@pytest.mark.parametrize(("value", "texts"), [("one", ["one"]), (["one", "two"], ["one", "two"]), (None, []), ([], [])])
def test_texts_are_remembered_under_the_place_of_the_node(run_graph, value, texts):
    memory = Memory()
    node = {"kind": "remember", "from": "items", "output": "found"}
    state = run(run_graph, node, memory, value)
    assert memory.asked == ([(texts, None, "stated", "n", WHO)] if texts else [])
    assert state["found"]["unchanged"] == (1 if texts else 0)


class Store:
    """Stands where findings are kept and notes how far each record is trusted."""

    def __init__(self):
        self.trusts = []

    async def remember(self, findings, _found_by):
        self.trusts += [record.trust for each in findings for record in each.records]
        return Remembered(len(self.trusts), 0, 0, 0)


def findings_of(**state):
    """A workflow in which code makes findings of a key, and says that somebody stated them."""
    nodes = {
        "find": {"kind": "code", "code": "find", "arguments": {"text": {"from": "letter"}}, "output": "found"},
        "keep": {"kind": "remember", "from": "found"},
    }
    return {
        "workflow": "w",
        "state": {"letter": state, "found": {}},
        "inputs": ["letter"],
        "nodes": nodes,
        "start": "find",
        "edges": [{"from": "find", "to": "keep"}],
    }


@pytest.mark.parametrize(
    ("said", "letter", "kept"),
    [
        ("stated", {}, "stated"),
        ("stated", {"untrusted": True}, "document"),
        ("verified", {"untrusted": True}, "document"),
        ("inferred", {"untrusted": True}, "inferred"),
        ("tool", {}, "tool"),
    ],
)
def test_what_is_found_is_trusted_no_further_than_what_it_was_made_of(run_graph, said, letter, kept):
    store = Store()

    def find(text: str) -> dict:
        return {"records": [{"text": text, "source": "letter", "trust": said}]}

    asyncio.run(run_graph(findings_of(**letter), {"find": find}, services={"findings": lambda: store}, letter="Tea."))
    assert store.trusts == [kept]


def test_a_text_from_outside_is_remembered_as_that(run_graph):
    memory = Memory()
    node = {"kind": "remember", "from": "items"}
    written = spec(node)
    written["state"]["items"] = {"untrusted": True}
    asyncio.run(run_graph(written, {}, services={"recollection": lambda: memory}, items="Tea."))
    assert [asked[2] for asked in memory.asked] == ["document"]
