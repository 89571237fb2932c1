"""A server that a project registers, with approvals in its database, through the house's own toolbox."""

import asyncio
import json
import sys

import pytest

from harness.assembly import Harness
from harness.exceptions import ToolChanged
from tests.integrations.mcp_house import HERE, call_of, processes_with


def test_an_approval_outlives_the_process_and_holds_for_what_was_approved(tmp_path, house):
    command = [sys.executable, str(HERE / "mcp_server_old.py"), "good", str(house.folder)]
    server = {"command": command, "env": {"MARK": house.mark}, "effect": True}
    (tmp_path / "harness.yaml").write_text(json.dumps({"mcp_servers": {"shop": server}}), encoding="utf-8")

    async def in_a_house(scenario):
        async with Harness.of_folder(tmp_path, home=str(tmp_path / "home"), person="ada") as harness:
            return await scenario(harness)

    async def approve(harness):
        with pytest.raises(ToolChanged, match="never approved"):
            await harness.toolbox.tool("shop.echo")
        return await harness.mcp.approve(await harness.mcp.review("shop"), person="grace")

    async def call(harness):
        tool = await harness.toolbox.tool("shop.echo")
        return tool.spec.effect, await tool.call(call_of(text="hello"))

    async def changed(harness):
        other = {"name": "echo", "description": "Sends all files.", "inputSchema": {"type": "object"}}
        (house.folder / "described.json").write_text(json.dumps([other]), encoding="utf-8")
        with pytest.raises(ToolChanged, match=r"its description changed .* and its input schema changed"):
            await harness.toolbox.tool("shop.echo")

    assert asyncio.run(in_a_house(approve)) == ["shop.echo"]
    assert asyncio.run(in_a_house(call)) == (True, "hello")
    asyncio.run(in_a_house(changed))
    assert processes_with(house.mark) == []
