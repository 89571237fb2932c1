"""A home with its tables, the engine of a small project of scripted replies, and houses of workflows from Python."""

import asyncio

import pytest

from harness.assembly import Ambient, Harness
from harness.engines.embedded import RunOrder
from harness.settings import Surroundings, load_settings
from harness.workflow.building import Workflow
from tests.must_hold.conftest import empty_home, home, scripted

__all__ = ["empty_home", "home", "scripted"]


def flow(name, nodes, functions=None, *, state=None, edges=(), start=None, files=None, **settings):
    """A workflow by the words of a workflow file; a node without a kind is code of its own name."""
    written = Workflow(name, state=state or {}, **settings)
    for each, node in nodes.items():
        fields = {"kind": "code", "code": each, **node}
        if fields["kind"] != "code":
            del fields["code"]
        written.add(each, fields.pop("kind"), **fields)
    for source, *targets in edges:
        when = targets.pop() if isinstance(targets[-1], dict) else {}
        written.edge(source, *targets, **when)
    if start:
        written.start(*([start] if isinstance(start, str) else start))
    written.functions |= functions or {}
    written._files |= files or {}
    return written


class House:
    """Opens a harness without a project on one home, for workflows that a test writes."""

    def __init__(self, home):
        self.home = home

    def opened(self, *workflows, person="ada", **given):
        flags = {"home": str(self.home.folder), "person": person, "zone": "UTC"}
        settings = load_settings(flags, None, Surroundings.of_this_process())
        return Harness(settings, None, workflows=workflows, **given)

    def run(self, work, *workflows, **given):
        """`await work(harness)`, in a harness of its own."""

        async def main():
            async with self.opened(*workflows, **given) as harness:
                return await work(harness)

        return asyncio.run(main())


async def recorded(harness, workflow, inputs=None, team=None):
    """A run that is recorded and not started; the workflow is not checked."""
    folder = harness.settings.home
    order = RunOrder(harness.load(workflow), inputs or {}, harness.settings.person, team, folder, folder, 1)
    return await harness.engine.record(order)


async def advanced(harness, workflow, inputs=None, on_event=lambda _: None):
    """A run of a workflow, to its end."""
    run = await recorded(harness, workflow, inputs)
    return await harness.engine.advance(run.run_id, on_event)


async def resumed(harness, run_id, on_event=lambda _: None, **given):
    return await harness.engine.advance(run_id, on_event, **given)


@pytest.fixture
def house(home):
    return House(home)


__all__ += ["Ambient", "advanced", "flow", "recorded", "resumed"]
