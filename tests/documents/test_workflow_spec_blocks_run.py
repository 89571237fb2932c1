"""Every block of the page on workflow files runs to its end, on scripted replies, with real stores, tools and people."""

import asyncio
import shutil
from pathlib import Path

import pytest

from harness.assembly import Harness
from harness.engines.run_store import RunStatus
from harness.workflow.nodes.questions import QuestionKind
from tests.documents.test_workflow_spec_page import BLOCKS, PROMPTS

ONTOLOGY = Path(__file__).parents[2] / "examples" / "licence_audit" / "ontology.yaml"
NAMES = [block.splitlines()[0].removeprefix("workflow: ") for block in BLOCKS]
ROLES = ("classifier", "writer", "support", "planner", "reader")

FUNCTIONS = '''
def pick_urgent(letters: list[dict], sorted: list[dict | None]) -> list[dict]:
    return [letter for letter, seen in zip(letters, sorted) if seen and seen["urgent"]]

def rate(order: dict) -> dict:
    return {"score": order["score"], "risky": False}

def accept(order: dict) -> str:
    return f"accepted {sorted(order)}"

def judge(draft: str) -> bool:
    return "good" in draft

def weigh(files: list[str]) -> dict:
    return {"large": [each for each in files if len(each) > 4], "total": len(files)}

def find(known: list[dict]) -> dict:
    entity = {"type": "Package", "properties": {"name": "six"}, "source": "here"}
    record = {"text": "six is a package.", "source": "here", "subjects": ["Package:six"]}
    return {"findings": {"entities": [entity], "records": [record]}, "lesson": f"known before: {len(known)}"}

def list_files(folder: str, pattern: str) -> list[str]:
    """Files of a folder."""
    return ["a.md", "large.md"]

def search_manual(query: str) -> list[str]:
    """Passages of the manual."""
    return [f"The manual on {query}."]

def clock() -> str:
    """The time."""
    return "noon"

def put_page(text: str) -> str:
    """Puts a page."""
    return f"put {text}"
'''
TOOLS = ("list_files", "search_manual", "clock", "put_page")
CODE = ("pick_urgent", "rate", "accept", "judge", "weigh", "find")

REPLIES = """
replies:
  - {when: Is this urgent, json: {urgent: true}}
  - {when: Answer this., text: We come at once.}
  - {when: Write something good, text: something good}
  - {when: Answer this ticket, turn: 0, tool_calls: [{name: search_manual, arguments: {query: lamps}}]}
  - {about: Answer this ticket, turn: 1, text: Turn the lamp on.}
  - when: compare the lamps
    json:
      steps:
        - {id: s1, worker: find, inputs: {query: red}, depends_on: []}
        - {id: s2, worker: find, inputs: {query: blue}, depends_on: []}
        - {id: r, worker: read, inputs: {question: Which is brighter?, passages: [{from: s1}, {from: s2}]}, depends_on: [s1, s2]}
  - {when: Which is brighter, text: The red one.}
  - {when: Sum this up, text: In short.}
"""

BINDINGS = """
bindings:
ROLES
endpoints:
  scripted: {scripted_replies: replies.yaml}
models:
  scripted:
    endpoint: scripted
    wire_name: scripted
    context_tokens: 32768
    capabilities: [json_schema, streaming, tools]
    price: {input_usd_per_million: 0.1, output_usd_per_million: 0.1, source: made up, checked: 2026-11-24}
""".replace("ROLES", "\n".join(f"  - {{role: {role}, model: scripted}}" for role in ROLES))

LETTERS = [{"id": "1", "text": "Fire!"}]
# With what each is started, a key of its end state, and what stands there.
RUNS = {
    "triage": ({"letters": LETTERS}, "answers", ["We come at once."]),
    "sort_orders": ({"order": {"score": 0.1}}, "note", "accepted ['approved']"),
    "draft_until_good": ({}, "draft", "something good"),
    "answer_ticket": ({"ticket": "The lamp is dark."}, "reply", "Turn the lamp on."),
    "compare": ({"request": "compare the lamps"}, "answer", "The red one."),
    "summaries": ({"pages": [{"text": "one"}, {"text": "two"}]}, "summaries", ["In short.", "In short."]),
    "publish": ({"draft": "News"}, "published", "put News"),
    "monthly": ({"letters": LETTERS}, "answers", {"answers": ["We come at once."]}),
    "inventory": ({}, "large", ["large.md"]),
    "learn": ({"question": "what is six"}, "lesson", "known before: 0"),
}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "prompts").mkdir()
    for name, text in PROMPTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, block in zip(NAMES, BLOCKS, strict=True):
        (tmp_path / f"{name}.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "parts.py").write_text(FUNCTIONS, encoding="utf-8")
    (tmp_path / "replies.yaml").write_text(REPLIES, encoding="utf-8")
    (tmp_path / "bindings.yaml").write_text(BINDINGS, encoding="utf-8")
    shutil.copy(ONTOLOGY, tmp_path / "ontology.yaml")
    registered = [
        "bindings: bindings.yaml",
        "ontology: ontology.yaml",
        "workflows:",
        *(f"  {name}: {name}.yaml" for name in NAMES),
        "tools:",
        *(f"  {name}: 'parts:{name}'" for name in TOOLS),
        "code:",
        *(f"  {name}: 'parts:{name}'" for name in CODE),
    ]
    (tmp_path / "harness.yaml").write_text("\n".join(registered) + "\n", encoding="utf-8")
    return tmp_path


async def ended(house, workflow, inputs):
    """The run's outcome, with every question answered by somebody who may."""
    outcome = await (await house.start(workflow, inputs)).outcome()
    while outcome.run.status is RunStatus.WAITING:
        (asked,) = await house.questions.open(outcome.run.run_id)
        assert asked.question.kind in (QuestionKind.ANSWER, QuestionKind.PLAN)
        await house.questions.answer(
            asked.question_id, {"approved": True}, digest=asked.question.digest, person="grace"
        )
        outcome = await (await house.resume(outcome.run.run_id)).outcome()
    return outcome


@pytest.mark.parametrize("name", NAMES)
def test_a_block_of_the_page_runs_to_its_end(name, project):
    inputs, key, value = RUNS[name]

    async def main():
        async with Harness.of_folder(project, home=str(project / "home"), person="ada") as house:
            return await ended(house, name, inputs)

    outcome = asyncio.run(main())
    assert (outcome.error, outcome.run.status) == (None, RunStatus.COMPLETED)
    assert outcome.state[key] == value
