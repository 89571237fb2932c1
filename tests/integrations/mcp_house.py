"""A toolbox with real servers as programs, and the look-out for processes that they leave behind."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.integrations.mcp_toolbox import McpToolbox
from harness.tools.mcp_server_spec import McpServerSpec
from harness.tools.tool import ToolCall
from harness.tools.tool_approvals import ApprovedTool

HERE = Path(__file__).parent


class ApprovalsInMemory:
    """The port, for as long as the test lasts."""

    def __init__(self):
        self.by_server: dict[str, dict[str, ApprovedTool]] = {}

    async def approved(self, server):
        return dict(self.by_server.get(server, {}))

    async def approve(self, server, tool, digest, document, person):
        at = datetime(2026, 11, 1, tzinfo=UTC)
        self.by_server.setdefault(server, {})[tool] = ApprovedTool(digest, document, person, at)

    async def withdraw(self, server, tool):
        self.by_server.get(server, {}).pop(tool, None)


def processes_with(mark):
    """The ids of living processes that carry a mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark.encode() in (entry / "environ").read_bytes()
            dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if marked and not dead and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


class House:
    """A toolbox with its servers, and what they left behind."""

    def __init__(self, folder):
        self.folder = folder
        self.mark = f"harness-mcp-test-{uuid.uuid4().hex}"
        self.approvals = ApprovalsInMemory()
        self.now = 0.0
        self.servers = {}
        self.environment = {**os.environ, "SHOP_KEY": "s3cr3t-key-of-the-shop"}
        self.toolbox: McpToolbox | None = None

    def old(self, mode="good", name="shop", **more):
        """Register a server of the older protocol that behaves in a way."""
        given = {"timeout_seconds": 10, "pin": "first_use", **more}
        env = {"MARK": self.mark, "SHOP_KEY": "env:SHOP_KEY"}
        command = [sys.executable, str(HERE / "mcp_server_old.py"), mode, str(self.folder)]
        self.servers[name] = McpServerSpec(command=command, env=env, **given)
        return self

    def official(self, name="shop", **more):
        """Register MCP's own server over stdio."""
        given = {"timeout_seconds": 30, "pin": "first_use", **more}
        command = [sys.executable, str(HERE / "mcp_server_official.py")]
        self.servers[name] = McpServerSpec(command=command, env={"MARK": self.mark}, **given)
        return self

    def at(self, url, name="shop", **more):
        given = {"timeout_seconds": 10, "pin": "first_use", **more}
        self.servers[name] = McpServerSpec(url=url, **given)
        return self

    def run(self, scenario):
        """Run a scenario with the toolbox, close it, and see that no process is left."""

        async def running():
            self.toolbox = McpToolbox(
                self.servers,
                self.approvals,
                environment=self.environment,
                folder=self.folder,
                person="ada",
                monotonic=lambda: self.now,
            )
            try:
                return await scenario(self.toolbox)
            finally:
                await self.toolbox.close()
                await self.toolbox.close()

        result = asyncio.run(running())
        assert self.left_behind() == []
        return result

    def left_behind(self):
        """The processes that are there though nobody needs them; who is killed may take a moment to die."""
        deadline = time.monotonic() + 3
        while (left := processes_with(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left

    async def call(self, tool, key="run-1/ask", **arguments):
        found = await self.toolbox.tool(tool)
        return await found.call(call_of(key, **arguments))

    def written(self, kind):
        path = self.folder / kind
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def call_of(key="run-1/ask", **arguments):
    return ToolCall(arguments, key, organisation="acme", person="ada", run_id="run-1")


@contextmanager
def served(*command, **environment):
    """A server over HTTP as a program of its own; its address."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp"
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
