"""Findings in the memory and the ontology: checked before anything is written, and the same however often."""

import asyncio
from datetime import UTC, datetime

import pytest

from harness.exceptions import FindingRefused
from harness.remembering import FindingsInMemory
from harness.workflow.nodes.findings import Findings, FoundBy, Remembered
from memory.exceptions import TextRefused, WriteConflict
from tests.must_hold.conftest import empty_home, home, scripted

__all__ = ["empty_home", "home", "scripted"]

FOUND_BY = FoundBy("default", "ada", "run", "audit", "remember", datetime(2026, 11, 24, tzinfo=UTC))

GOOD = {
    "entities": [
        {"type": "Package", "properties": {"name": "six"}, "source": "six"},
        {"type": "License", "properties": {"spdx": "MIT"}, "source": "six"},
    ],
    "links": [{"subject": "Package:six", "link": "has_licence", "object": "License:MIT", "source": "six"}],
    "records": [{"text": "six is under MIT.", "source": "six", "subjects": ["Package:six"], "model": "m"}],
}


class InTheWay:
    """The real memory, behind so many writers that were at the same record first."""

    def __init__(self, memory, failures):
        self._memory = memory
        self.failures = failures

    def remember(self, records):
        if self.failures:
            raise self.failures.pop()
        return self._memory.remember(records)


def remembered(harness, *findings, memory=None):
    store = FindingsInMemory(harness.schema, harness.entities, memory or harness.memory)
    return asyncio.run(store.remember([Findings.model_validate(each) for each in findings], FOUND_BY))


@pytest.fixture
def harness(scripted):
    harness = scripted.opened()
    yield harness
    asyncio.run(harness.close())


def test_writing_the_same_again_changes_nothing(harness):
    assert remembered(harness, GOOD) == Remembered(records=1, unchanged=0, entities=2, links=1)
    again = remembered(harness, GOOD)
    assert (again.records, again.unchanged) == (0, 1)


def test_a_record_says_who_said_it_in_which_step_of_which_run(harness, home):
    remembered(harness, GOOD)
    columns = "organisation, person, author, source, run_id, step, model, trust"
    rows = home.rows("memory", f"SELECT {columns} FROM memory_records")
    assert rows[0][:7] == ("default", "ada", "m", "six", "run", "remember", "m")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"records": [{"text": "nul \0", "source": "six"}]}, "nul"),
        ({"records": [{"text": "x", "source": "six", "subjects": ["Person:ada"]}]}, "types are Package, License"),
        ({"records": [{"text": "x", "source": "six", "subjects": ["six"]}]}, "write TYPE:KEY"),
        ({"records": [{"text": "x", "source": "six", "kind": "rumour"}]}, "rumour"),
        ({"links": [{"subject": "License:MIT", "link": "has_licence", "object": "License:MIT", "source": "s"}]}, "has"),
        ({"links": [{"subject": "Package:six", "link": "likes", "object": "License:MIT", "source": "s"}]}, "likes"),
        ({"entities": [{"type": "Person", "properties": {"name": "ada"}, "source": "s"}]}, "Person"),
        ({"entities": [{"type": "Package", "properties": {"name": {"a": 1}}, "source": "s"}]}, "Package.name"),
        ({"entities": [{"type": "Package", "properties": {"colour": "red"}, "source": "s"}]}, "colour"),
    ],
)
def test_a_finding_that_is_wrong_is_refused_and_nothing_of_its_batch_is_written(harness, home, change, words):
    with pytest.raises(FindingRefused, match=words):
        remembered(harness, GOOD, change)
    assert harness.memory
    assert home.rows("memory", "SELECT COUNT(*) FROM memory_records") == [(0,)]
    assert home.rows("memory", "SELECT COUNT(*) FROM ontology_entities") == [(0,)]


def test_another_writer_at_the_same_record_is_waited_out_but_not_for_ever(harness):
    assert remembered(harness, GOOD, memory=InTheWay(harness.memory, [WriteConflict("default")] * 3)).records == 1
    with pytest.raises(FindingRefused, match="another writer"):
        remembered(harness, GOOD, memory=InTheWay(harness.memory, [WriteConflict("default")] * 20))


def test_what_no_retry_can_help_is_not_tried_again(harness):
    memory = InTheWay(harness.memory, [TextRefused("text", "x", "no")] * 2)
    with pytest.raises(FindingRefused):
        remembered(harness, GOOD, memory=memory)
    assert len(memory.failures) == 1
