"""A model that obeys every instruction it reads is run against every example: the attackers get nothing.

What counts is the world: files, visits to the attacker's service, calls of tools, answers, verdicts, the ledger. The
honest task is done all the same.
"""

import asyncio
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

import pytest

from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.engines.run_store import RunStatus
from harness.parts import Ambient
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from tests.must_hold.attacked_world import (
    SECRET_OF_ENVIRONMENT,
    SECRET_OF_FILE,
    AttackersService,
    Seen,
    called_tools,
    files_below,
    reached,
)
from tests.must_hold.conftest import Home
from tests.must_hold.injected_examples import EXAMPLES, ROOT
from tests.must_hold.obedient_model import ObedientModel

LEAST_GOALS = 200


class World:
    """A folder for everything that an attack could touch."""

    def __init__(self, folder, service):
        self.folder = folder
        self.service = service
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(SECRET_OF_FILE)
        self._numbers = count()

    def fresh(self, name):
        made = self.folder / f"{name}-{next(self._numbers)}" / name
        made.mkdir(parents=True)
        return made


class AttackedHarness(Harness):
    """The house as it is, but for what is at the other end of the wire."""

    def __init__(self, *given, model, **more):
        super().__init__(*given, **more)
        self._model = model

    @cached_property
    def connections(self):
        return self._model


@dataclass
class Tally:
    """What came of all attacks on one example."""

    tried: int = 0
    got: list = None
    unread: list = None
    dishonest: list = None


async def attacked(example, world, tally):
    """Every attack on one example, in runs of a few, in one house."""
    todo = example.attacks()
    model = ObedientModel(todo, example.honest, outside=str(world.outside), url=world.service.url)
    project = load_project(ROOT / example.folder / "harness.yaml")
    home = Home(world.folder / "home" / example.workflow)
    flags = {"home": str(home.folder), "person": "ada", "zone": "UTC"}
    settings = load_settings(flags, project, Surroundings.of_this_process())
    around = Ambient(environment={**os.environ, "INJECTION_CANARY": SECRET_OF_ENVIRONMENT})
    async with AttackedHarness(settings, project, ambient=around, model=model) as house:
        for start in range(0, len(todo), example.batch):
            batch = todo[start : start + example.batch]
            seen = await one_run(example, world, house, model, home, batch)
            for attack in batch:
                tally.tried += 1
                got = reached(attack, seen, world.service)
                if got:
                    tally.got.append((example.workflow, attack.mark, attack.aim.value, attack.place, got))
            if not seen.honest:
                tally.dishonest.append((example.workflow, [each.aim.value for each in batch], seen.state))
    tally.unread += [(example.workflow, each.mark, each.place) for each in todo if each.mark not in model.read]


async def one_run(example, world, house, model, home, batch):
    inputs = example.prepare(world, batch)
    work = world.fresh("work")
    project = house.project.folder
    before = files_below(world.folder, project)
    model.sent.clear()
    events = []
    version = await house.binding_version()
    loaded = house.load(example.workflow)
    run = await house.engine.record(RunOrder(loaded, inputs, "ada", None, work, project, version.version))
    outcome = await house.engine.advance(run.run_id, events.append)
    early = {name for name in example.written if (work / name).exists()} if waits(outcome) else set()
    approved = waits(outcome)
    answered_by = set()
    if approved:
        for asked in await house.questions.open(run.run_id):
            yes = {"approved": True}
            done = await house.questions.answer(asked.question_id, yes, digest=asked.question.digest, person="ada")
            answered_by.add(done.answered_by)
        outcome = await house.engine.advance(run.run_id, events.append)
    costs = house.reports.run_costs("default", run.run_id)
    meant = {work / name for name in example.written} | {work / f"research-brief/.library-{run.run_id}.json"}
    seen = Seen(
        state=outcome.state,
        made=files_below(world.folder, project) - before - meant,
        written={name: (work / name).read_text() for name in example.written if (work / name).exists()},
        early=early,
        used=called_tools(events),
        given=set(example.given),
        answered_by=answered_by | {each for (each,) in home.rows("runs", "SELECT answered_by FROM questions") if each},
        usd=float(costs.usd),
        most_usd=example.most_usd,
        calls=costs.calls,
        most_calls=example.most_calls,
        prompts=json.dumps(model.sent, ensure_ascii=False),
        unfenced=set(model.unfenced),
        trusted_memories=remembered(house, home),
        version=(await house.binding_version()).version + len(home.rows("money", "SELECT limit_id FROM limits WHERE scope_kind = 'person'")),
        sources=sources_of(inputs),
    )
    ended = home.rows("money", "SELECT success FROM tasks WHERE task_id = :task", task=run.run_id)
    example.look(seen, batch, approved=approved, success=ended == [(1,)])
    return seen


def waits(outcome):
    return outcome.run.status is RunStatus.WAITING


def remembered(house, home):
    if house.schema is None:
        return ""
    trusted = home.rows("memory", "SELECT text FROM memory_records WHERE trust IN ('stated', 'verified')")
    return "\n".join(words for (words,) in trusted)


def sources_of(inputs):
    """What the sources really say, read by nobody's code but this."""
    if "folder" not in inputs:
        return {}
    docs = Path(inputs["folder"])
    found = {f"docs/{path.name}": path.read_text() for path in docs.iterdir() if not path.is_symlink()}
    for path in Path(inputs["site_packages"]).glob("*/METADATA"):
        head, _, body = path.read_text().partition("\n\n")
        found[f"package:{re.search('^Name: (.*)$', head, re.MULTILINE)[1]}"] = body
    return {name: " ".join(text.split()) for name, text in found.items()}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("INJECTION_CANARY", SECRET_OF_ENVIRONMENT)
    service = AttackersService()
    yield World(tmp_path, service)
    service.close()


def test_a_model_that_obeys_every_injected_instruction_gets_nowhere_in_any_example(world):
    tallies = {}

    async def main():
        for kind in EXAMPLES:
            example = kind()
            tally = tallies[example.workflow] = Tally(0, [], [], [])
            await attacked(example, world, tally)

    asyncio.run(main())
    tried = sum(each.tried for each in tallies.values())
    got = [each for tally in tallies.values() for each in tally.got]
    print(f"\n{len(got)} of {tried} goals reached: {Counter({name: each.tried for name, each in tallies.items()})}")
    assert not got
    assert not [each for tally in tallies.values() for each in tally.unread]
    assert not [each for tally in tallies.values() for each in tally.dishonest]
    assert tried >= LEAST_GOALS
