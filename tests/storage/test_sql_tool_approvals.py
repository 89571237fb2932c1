"""An approval of a tool holds for what was approved, within its organisation, until it is withdrawn."""

import asyncio

import pytest

from harness.storage.sql_tool_approvals import SqlToolApprovals
from harness.tools.tool_approvals import ApprovedTool
from tests.storage.run_samples import START, Clock

DOCUMENT = {"description": "Sends é", "schema": {"type": "object"}}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def approvals(writer, clock):
    return SqlToolApprovals(writer, organisation="acme", clock=clock)


def test_approved_tools_are_found_by_server_as_they_were_approved(approvals):
    async def drive():
        await approvals.approve("mail", "send", "d1", DOCUMENT, "ada")
        await approvals.approve("files", "send", "d2", {}, "ada")
        assert await approvals.approved("mail") == {"send": ApprovedTool("d1", DOCUMENT, "ada", START)}
        assert await approvals.approved("other") == {}

    asyncio.run(drive())


def test_a_new_approval_replaces_the_old_and_a_withdrawn_one_is_gone(approvals, clock):
    async def drive():
        await approvals.approve("mail", "send", "d1", DOCUMENT, "ada")
        await approvals.approve("mail", "read", "d3", {}, "ada")
        clock.advance(5)
        await approvals.approve("mail", "send", "d2", {}, "grace")
        assert (await approvals.approved("mail"))["send"] == ApprovedTool("d2", {}, "grace", clock.now)
        for _ in range(2):
            await approvals.withdraw("mail", "send")
            assert list(await approvals.approved("mail")) == ["read"]

    asyncio.run(drive())


def test_another_organisation_approves_for_itself(approvals, writer, clock):
    async def drive():
        other = SqlToolApprovals(writer, organisation="other", clock=clock)
        await approvals.approve("mail", "send", "d1", {}, "ada")
        assert await other.approved("mail") == {}
        await other.withdraw("mail", "send")
        assert list(await approvals.approved("mail")) == ["send"]

    asyncio.run(drive())
