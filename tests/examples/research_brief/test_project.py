"""The project as a whole: its files, its course with scripted replies, its page, and the real small model."""

import asyncio
import json
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from examples.research_brief.citations import one_space
from examples.research_brief.library import Library
from harness.assembly import Harness
from harness.engines.run_store import RunStatus
from harness.exceptions import SpecificationInvalid
from harness.project import load_project
from harness.routing.bindings import read_bindings
from harness.settings import Surroundings, load_settings
from harness.workflow.checking.checks import check
from harness.workflow.events import PlanStepFinished
from harness.workflow.loading import load_workflow
from tests.documents.console_blocks import commands_of, run_page

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "research_brief"
needs_model = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the local model's engine is not installed")


def house(home, folder=FOLDER):
    project = load_project(folder / "harness.yaml")
    flags = {"home": str(home), "person": "ada", "zone": "UTC"}
    return Harness(load_settings(flags, project, Surroundings.of_this_process()), project)


async def advanced(here, workflow, folder, inputs=None):
    handle = await here.start(workflow, inputs or {}, working_folder=folder)
    events = [event async for event in handle.stream()]
    return handle, await handle.outcome(), events


def test_the_workflows_have_no_problem_under_either_bindings():
    project = load_project(FOLDER / "harness.yaml")
    for name in ("bindings.yaml", "bindings.local.yaml"):
        roles = {each.role for each in read_bindings(FOLDER / name, Harness.catalogue.func(None)).bindings}
        for workflow in project.file.workflows:
            loaded = load_workflow(project.workflow_path(workflow))
            assert check(loaded, project.registry(), lambda *key, roles=roles: key[-1] in roles) == []


def test_without_the_person_the_workflow_is_refused(tmp_path):
    copy = tmp_path / "research_brief"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".harness", "__pycache__", "research-brief"))
    text = (copy / "workflow.yaml").read_text()
    text = text.replace("shows: [checked]", "shows: [library]")
    (copy / "workflow.yaml").write_text(text)

    async def main():
        async with house(tmp_path / "home", copy) as here:
            await here.start("research_brief", {}, working_folder=tmp_path)

    with pytest.raises(SpecificationInvalid, match="'write_brief' could carry private data out of the house"):
        asyncio.run(main())


def test_the_scripted_quotes_stand_in_the_documents_but_for_the_one_that_is_made_up():
    """Where a page changes, the replies have to."""
    site = str(Path(shutil.__file__).parent)  # no packages there
    library = Library(
        folder=str(ROOT / "docs"), sites=(site, next(each for each in sys.path if "site-packages" in each))
    )
    texts = {each.source: one_space(each.text) for each in library.documents()}
    written = re.findall(r"quote: (?:&\w+ )?(.+)", (FOLDER / "replies.yaml").read_text())
    quotes = [each.strip("{}") for each in written if not each.startswith("*")]
    standing = [quote for quote in quotes if any(one_space(quote) in text for text in texts.values())]
    assert len(quotes) == len(standing) + 1


def test_a_brief_waits_for_a_person_and_is_written_once_approved(tmp_path):
    async def main():
        async with house(tmp_path / "home") as here:
            handle, outcome, events = await advanced(here, "research_brief", tmp_path)
            assert outcome.run.status is RunStatus.WAITING
            assert not (tmp_path / "research-brief" / "brief.md").exists()
            (asked,) = await here.questions.open(handle.run_id)
            yes = {"approved": True}
            await here.questions.answer(asked.question_id, yes, digest=asked.question.digest, person="ada")
            outcome = await (await here.resume(handle.run_id)).outcome()
            return asked, outcome, events, here.reports.run_costs("default", handle.run_id)

    asked, outcome, events, costs = asyncio.run(main())
    assert outcome.run.status is RunStatus.COMPLETED
    told = json.loads((tmp_path / "research-brief" / "brief.json").read_text())
    assert told["brief"] == asked.question.shows["checked"]
    assert len(told["brief"]["paragraphs"]) == 3
    assert len(told["brief"]["refused"]) == 1
    assert told["costs"]["calls"] == costs.calls == 6
    assert told["costs"]["usd"] == pytest.approx(float(costs.usd))
    done = [event.step for event in events if isinstance(event, PlanStepFinished)]
    for n in "123":
        assert done.index(f"s{n}") < done.index(f"n{n}")
    assert done[-2:] == ["c", "w"]


def test_where_nothing_stands_nobody_is_asked_and_the_run_counts_as_failed(tmp_path):
    docs = tmp_path / "other"
    docs.mkdir()
    (docs / "a.md").write_text("Other words than those of the replies: process, send, checkpoint.")
    inputs = {"folder": str(docs), "site_packages": str(docs)}

    async def main():
        async with house(tmp_path / "home") as here:
            handle, outcome, _ = await advanced(here, "research_brief", tmp_path, inputs)
            return outcome, here.reports.run_costs("default", handle.run_id), await here.questions.open()

    outcome, costs, open_questions = asyncio.run(main())
    assert outcome.run.status is RunStatus.COMPLETED
    assert len(outcome.state["checked"]["refused"]) == 4
    assert not open_questions
    assert not (tmp_path / "research-brief" / "brief.md").exists()
    assert costs.usd > 0


def test_the_agent_answers_with_a_quote_that_stands(tmp_path):
    async def main():
        async with house(tmp_path / "home") as here:
            return (await advanced(here, "research_agent", tmp_path))[1]

    outcome = asyncio.run(main())
    assert outcome.state["checked"]["stands"] is True
    assert outcome.state["checked"]["source"] == "docs/tutorial.md"


@pytest.mark.slow
def test_the_commands_of_the_page_print_what_it_says(tmp_path):
    left_out = shutil.ignore_patterns(".harness", "__pycache__", "research-brief")
    for name in ("examples", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    page = FOLDER / "README.md"
    problems = run_page(page, tmp_path, Path(sys.executable).parent)
    assert commands_of(page)
    assert not problems, "\n\n".join(problems)


@pytest.fixture
def local(tmp_path):
    """The project with every role on the model of this machine."""
    copy = tmp_path / "project" / "research_brief"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".harness", "__pycache__", "research-brief"))
    shutil.copy(copy / "bindings.local.yaml", copy / "bindings.yaml")
    return copy


@pytest.mark.slow
@needs_model
def test_the_real_model_gets_no_citation_through_that_does_not_stand(local, tmp_path):
    """Whether it can plan at all is not asked: it ends within its bounds, and nothing is written without a person."""
    inputs = {"folder": str(ROOT / "docs" / "decisions"), "site_packages": str(tmp_path)}

    async def main():
        async with house(tmp_path / "home", local) as here:
            handle, outcome, _ = await advanced(here, "research_brief", tmp_path, inputs)
            return outcome, here.reports.run_costs("default", handle.run_id)

    outcome, costs = asyncio.run(main())
    print(f"\n{outcome.run.status}: {outcome.error or outcome.state['checked']}")  # noqa: T201 - shown by `pytest -s`
    assert costs.calls <= 2 * (2 + 2 * 10)
    assert not (tmp_path / "research-brief" / "brief.md").exists()
    checked = outcome.state["checked"] or {"citations": []}
    library = Library(folder=inputs["folder"], sites=())
    for each in checked["citations"]:
        assert each["quote"] in one_space(library.text_of(each["source"]))


@pytest.mark.slow
@needs_model
def test_the_real_model_answers_within_its_steps_or_not_at_all(local, tmp_path):
    inputs = {"folder": str(ROOT / "docs"), "site_packages": str(tmp_path)}

    async def main():
        async with house(tmp_path / "home", local) as here:
            handle, outcome, _ = await advanced(here, "research_agent", tmp_path, inputs)
            return outcome, here.reports.run_costs("default", handle.run_id)

    outcome, costs = asyncio.run(main())
    print(f"\n{outcome.run.status}: {outcome.error or outcome.state['said']}")  # noqa: T201 - shown by `pytest -s`
    assert 1 <= costs.calls <= 4
    checked = outcome.state["checked"]
    if checked and checked["stands"]:
        text = Library(folder=inputs["folder"], sites=()).text_of(checked["source"])
        assert checked["quote"] in one_space(text)
    elif checked:
        assert checked["answer"] == ""
