"""The composition root: parts are made when they are first asked for, from settings, and closed once."""

import asyncio
import subprocess
import sys

import pytest

import harness
from harness.assembly import Ambient, Harness
from harness.engines.run_store import RunStatus
from harness.exceptions import ConfigurationInvalid, NameUnknown, SpecificationInvalid
from harness.settings import Settings
from harness.workflow.building import Workflow
from tests.must_hold.conftest import empty_home, home, scripted

__all__ = ["empty_home", "home", "scripted"]


def test_making_a_harness_opens_and_imports_nothing_heavy(tmp_path):
    program = f"""
import sys
from pathlib import Path
from harness.assembly import Harness
from harness.settings import Settings
Harness(Settings(home=Path({str(tmp_path / "home")!r}), person="ada"), None)
loaded = sorted(sys.modules.keys() & {{"langgraph", "chromadb", "langchain_core", "wordllama", "alembic", "httpx"}})
print(loaded)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(said.stdout.strip("[]\n").replace("'", "").split(", ")) <= {"", "httpx"}
    assert not (tmp_path / "home").exists()


def test_a_database_url_is_for_postgresql_alone(tmp_path):
    settings = Settings.model_validate({"home": tmp_path, "person": "ada", "database_url": "sqlite:///x.db"})
    with pytest.raises(ConfigurationInvalid, match="set `home` for SQLite"):
        Harness(settings, None)


def test_without_a_project_there_are_no_tools_no_ontology_and_an_empty_binding(tmp_path):
    async def main():
        async with Harness(Settings(home=tmp_path / "home", person="ada"), None) as harness:
            assert harness.schema is None
            assert harness.findings is None
            with pytest.raises(NameUnknown):
                harness._library.code("audit", "inventory")
            with pytest.raises(NameUnknown):
                await harness.toolbox.tool("anything")
            assert harness.mcp is None
            assert (await harness.binding_version()).bindings.bindings == ()

    asyncio.run(main())


def test_the_projects_bindings_become_the_first_version_once(scripted):
    async def main():
        async with scripted.opened() as harness:
            first = await harness.binding_version()
            scripted.edit("bindings.yaml", "role: writer", "role: poet")
            assert await harness.binding_version() == first
        async with scripted.opened() as harness:
            assert await harness.binding_version() == first

    asyncio.run(main())


def test_closing_twice_is_once(scripted):
    async def main():
        harness = scripted.opened()
        await scripted.advance(harness, count=1)
        await harness.close()
        await harness.close()

    asyncio.run(main())


def test_the_length_of_a_lease_and_the_owner_come_in(scripted):
    async def main():
        async with scripted.opened(ambient=Ambient(owner="somebody"), lease_seconds=7.0) as harness:
            run = await harness.runs.record(_any_run())
            claimed = await harness.runs.claim(run.run_id, owner="somebody", lease_seconds=1)
            assert harness.engine._advancing._parts.lease_seconds == 7.0
            assert claimed.owner == harness.engine._advancing._parts.owner == "somebody"

    asyncio.run(main())


def _any_run():
    from harness.engines.run_store import NewRun

    return NewRun(person="ada", workflow="w", spec={}, inputs={}, project="", binding_version=1)


def greeting(text="Hello"):
    flow = Workflow("greet", state={"guest": str, "text": str}, inputs=["guest"])

    @flow.code(output="text")
    def write(guest: str) -> str:
        return f"{text} {guest}"

    return flow


def test_a_workflow_from_python_runs_in_a_folder_without_a_project(tmp_path):
    async def main():
        async with Harness.of_folder(tmp_path, person="ada", home=str(tmp_path / "home")) as house:
            assert house.project is None
            run = await house.start(greeting(), {"guest": "Grace"})
            return (await run.outcome()).state

    assert asyncio.run(main()) == {"guest": "Grace", "text": "Hello Grace"}


def test_the_functions_of_two_workflows_do_not_meet(tmp_path):
    other = greeting("Good day")
    other.name = "greet_formally"

    async def main():
        flows = [greeting(), other]
        async with Harness.of_folder(tmp_path, workflows=flows, person="ada", home=str(tmp_path / "home")) as house:
            runs = [await house.start(name, {"guest": "Ada"}) for name in ("greet", "greet_formally")]
            return [(await run.outcome()).state["text"] for run in runs]

    assert asyncio.run(main()) == ["Hello Ada", "Good day Ada"]


def test_a_compiled_graph_is_run_by_its_owner_in_a_recorded_run(tmp_path):
    async def main():
        async with Harness.of_folder(tmp_path, person="ada", home=str(tmp_path / "home")) as house:
            flow = greeting()
            graph = harness.compile(flow)
            async with house.run_context(flow, {"guest": "Ada"}) as context:
                state = await graph.ainvoke({"guest": "Ada", "text": None}, context=context)
                held = await house.runs.run(context.run.run_id)
                assert (held.status, held.owner) == (RunStatus.RUNNING, house._ambient.owner)
            with pytest.raises(ValueError, match="mine"):
                async with house.run_context(flow, {"guest": "Ada"}) as failing:
                    raise ValueError("mine")
            ended = [(await house.runs.run(each.run.run_id)).status for each in (context, failing)]
            return state, ended

    state, ended = asyncio.run(main())
    assert state["text"] == "Hello Ada"
    assert ended == [RunStatus.COMPLETED, RunStatus.FAILED]


def test_the_tools_of_a_project_are_closed_with_it(scripted):
    async def main():
        async with scripted.opened() as house:
            assert house.toolbox is house.toolbox
            with pytest.raises(NameUnknown):
                await house.toolbox.tool("nothing")

    asyncio.run(main())


def test_a_run_goes_on_only_with_a_workflow_that_has_no_problem(tmp_path):
    broken, problem = [True], Workflow("greet", state={"guest": str, "text": str}, inputs=["guest"])
    flow = Workflow("greet", state={"guest": str, "text": str}, inputs=["guest"])

    @flow.code(output="text")
    def write(guest: str) -> str:
        if broken:
            raise ValueError("not yet")
        return f"Hello {guest}"

    problem.add("write", "code", code="nowhere", output="text")

    async def main():
        async with Harness.of_folder(tmp_path, person="ada", home=str(tmp_path / "home")) as house:
            run = await house.start(flow, {"guest": "Ada"})
            await run.outcome()
            with pytest.raises(SpecificationInvalid, match="no code 'nowhere'"):
                await house.resume(run.run_id, migrate=problem)
            assert (await house.runs.run(run.run_id)).status is RunStatus.FAILED
            broken.clear()
            return (await (await house.resume(run.run_id, migrate=flow)).outcome()).state["text"]

    assert asyncio.run(main()) == "Hello Ada"


def test_what_code_nodes_say_and_fail_with_holds_no_secret_of_the_environment(tmp_path, capsys):
    flow = Workflow("speak", state={"text": str})

    @flow.code(output="text")
    def write() -> str:
        print("with tok-of-somebody")  # noqa: T201
        raise ValueError("tok-of-somebody")

    settings = Settings(home=tmp_path / "home", person="ada")
    ambient = Ambient(environment={"SERVICE_TOKEN": "tok-of-somebody"})

    async def main():
        async with Harness(settings, None, ambient=ambient) as house:
            return await (await house.start(flow)).outcome()

    outcome = asyncio.run(main())
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "with [redacted]\n")
    assert "ValueError: [redacted]" in str(outcome.error)
    assert "tok-of-somebody" not in f"{outcome}"
