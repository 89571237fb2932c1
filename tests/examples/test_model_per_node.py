"""One workflow under three files of bindings: each fits the workflow, and two of them are run."""

import asyncio
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

import examples
from harness.assembly import Harness
from harness.models.catalogue import builtin_catalogue
from harness.routing.bindings import read_bindings
from harness.workflow.checking.checks import check
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import load_workflow

FOLDER = Path(next(iter(examples.__path__))) / "model_per_node"
FILES = ["bindings.yaml", "bindings.local.yaml", "bindings.vendor.yaml"]
NODES = ("draft", "critique", "revise", "decide")


def models_of(file):
    """Which model each node has under a file."""
    bindings = read_bindings(FOLDER / file, builtin_catalogue())
    work = load_workflow(FOLDER / "workflow.yaml").spec.work
    return {name: bindings.resolve(work[name].role, workflow="answer_letter", node=name).model for name in NODES}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "model_per_node"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".harness"))
    return folder


async def _run(folder, file):
    """Run under a file; how it ended, its state, and the models of its ledger's entries by node."""
    async with Harness.of_folder(folder, person="ada") as house:
        version = await house.binding_version()
        wanted = read_bindings(folder / file, house.catalogue)
        if wanted != version.bindings:
            reason = f"applied {file}"
            await house.bindings.add("default", wanted, made_by="ada", reason=reason, replaces=version.version)
        outcome = await (await house.start("answer_letter")).outcome()
        entries = await asyncio.to_thread(house.reports.run_entries, "default", outcome.run.run_id)
        return outcome, Counter((entry.node, entry.model) for entry in entries), entries


@pytest.mark.parametrize("file", FILES)
def test_every_file_fills_every_role_of_the_one_workflow(file):
    bindings = read_bindings(FOLDER / file, builtin_catalogue())
    assert check(load_workflow(FOLDER / "workflow.yaml"), Registry(), bindings.is_bound) == []


@pytest.mark.parametrize("file", FILES)
def test_no_file_costs_an_unknown_price(file):
    catalogue = read_bindings(FOLDER / file, builtin_catalogue()).catalogue(builtin_catalogue())
    for name in models_of(file).values():
        model = catalogue.model(name)
        assert model.price is not None or catalogue.endpoint_of(model).price_provider


def test_in_the_vendors_file_the_most_specific_wins_and_the_namesake_stays():
    assert models_of("bindings.vendor.yaml") == {
        "draft": "smollm2-135m",
        "critique": "smollm2-135m",
        "revise": "gpt-5-mini",
        "decide": "gpt-5-nano",
    }


def test_the_scripted_file_runs_at_once_and_its_two_models_are_charged_apart(project):
    outcome, models, entries = asyncio.run(_run(project, "bindings.yaml"))
    assert outcome.run.status == "completed"
    assert outcome.state["decision"]["send"] is True
    assert {key for key in models if key[1]} >= {(node, model) for node, model in models_of("bindings.yaml").items()}
    assert {entry.model for entry in entries if entry.usd} == {"scripted-small", "scripted-large"}


def test_without_a_key_the_vendor_is_not_asked_and_the_fallback_of_this_machine_is_next(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (project / "bindings.yaml").write_text(
        (project / "bindings.yaml")
        .read_text()
        .replace(
            "- {role: decider, model: scripted-large}",
            "- {role: decider, model: gpt-5-nano, fallback: [scripted-large]}",
        )
    )
    outcome, models, _ = asyncio.run(_run(project, "bindings.yaml"))
    assert outcome.run.status == "completed"
    assert ("decide", "scripted-large") in models


@pytest.mark.slow
@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the local model's engine is not installed")
def test_two_real_models_on_this_machine_answer_within_their_schemas(project):
    """The second is another file where `HARNESS_LARGE_GGUF` names one, else the same weights in another server."""
    outcome, models, entries = asyncio.run(_run(project, "bindings.local.yaml"))
    assert outcome.run.status == "completed", outcome.run.error
    assert isinstance(outcome.state["decision"]["send"], bool)
    assert {key for key in models if key[1]} >= {
        (node, model) for node, model in models_of("bindings.local.yaml").items()
    }
    paid = {entry.model for entry in entries if entry.usd}
    assert paid == {"large-local"}
    logs = project / ".harness" / "logs"
    assert {each.name for each in logs.iterdir()} >= {"large-local.log", "smollm2-135m-instruct.log"}
