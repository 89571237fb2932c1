"""Texts that a workflow remembers and finds again: whose they are, how far they are trusted, the same however often."""

import asyncio

import pytest

from harness.exceptions import FindingRefused
from harness.remembering import MemoryRecollection
from harness.workflow.node_kinds import RecallNode, RememberNode
from harness.workflow.nodes.recollection import RemembersFor
from tests.must_hold.conftest import empty_home, home, scripted

__all__ = ["empty_home", "home", "scripted"]

ADA = RemembersFor("default", "ada", "red", "run", "letters", "keep")
GRACE = RemembersFor("default", "grace", "red", "run2", "letters", "keep")
ALAN = RemembersFor("default", "alan", None, "run3", "letters", "keep")


@pytest.fixture
def memory(scripted):
    harness = scripted.opened()
    yield MemoryRecollection(harness.memory)
    asyncio.run(harness.close())


def keep(memory, text, who=ADA, *, session=None, trust="stated", **node):
    node = RememberNode.model_validate({"kind": "remember", "from": "k"} | node)
    texts = [text] if isinstance(text, str) else text
    return asyncio.run(memory.remember_texts(texts, node, session=session, trust=trust, path="keep", who=who))


def recalled(memory, who=ADA, *, session=None, query="which tea does the office drink", **node):
    node = RecallNode.model_validate({"kind": "recall", "query": "k", "output": "o"} | node)
    return asyncio.run(memory.recall(query, node, session=session, who=who))


def test_what_was_remembered_is_found_with_where_it_came_from(memory):
    assert keep(memory, "The office drinks green tea.") == 1
    (found,) = recalled(memory)
    assert found["text"] == "The office drinks green tea."
    assert (found["source"], found["trust"], found["kind"]) == ("run:run", "stated", "fact")


def test_a_repeated_step_changes_nothing(memory):
    assert keep(memory, ["Tea is green.", "Coffee is black."]) == 2
    assert keep(memory, ["Tea is green.", "Coffee is black."]) == 0


@pytest.mark.parametrize(
    ("level", "seen_by"),
    [("person", {"ada"}), ("team", {"ada", "grace"}), ("organisation", {"ada", "grace", "alan"})],
)
def test_a_scope_says_who_finds_it(memory, level, seen_by):
    keep(memory, "The office drinks green tea.", scope={"level": level})
    assert {who.person for who in (ADA, GRACE, ALAN) if recalled(memory, who)} == seen_by


def test_a_session_keeps_to_itself(memory):
    keep(memory, "The office drinks green tea.", session="monday")
    assert recalled(memory, session="monday")
    assert not recalled(memory, session="tuesday")


def test_who_is_in_no_team_cannot_write_for_one(memory):
    with pytest.raises(FindingRefused, match="is in no team"):
        keep(memory, "Tea.", ALAN, scope={"level": "team"})


def test_less_trusted_records_can_be_left_out(memory):
    keep(memory, "The office drinks green tea.", trust="inferred")
    assert recalled(memory)
    assert not recalled(memory, min_trust="verified")


@pytest.mark.parametrize("change", [{"kinds": ["no such kind"]}, {"query": " "}])
def test_what_the_memory_does_not_take_is_refused_in_words(memory, change):
    with pytest.raises(FindingRefused):
        recalled(memory, **change)
