"""The tools of the registered MCP servers: found, held to what was approved, and called.

One session a server and process, opened when it is first needed. One that died is opened anew by whoever needs it
next, once; nothing that was sent is sent again from here. A listing is asked for anew when the server says that it
changed, after anything went wrong, and after a minute: so a tool that changes between two calls is off at the second.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from harness.exceptions import ConfigurationInvalid, NameUnknown, ToolChanged, ToolFailed
from harness.integrations.mcp_listing import ListedTool
from harness.integrations.mcp_pins import ReviewedTool, difference, require_approved, reviewed_tools
from harness.json_values import Json, JsonObject
from harness.names import nearest_names
from harness.tools.mcp_server_spec import McpServerSpec
from harness.tools.redaction import Redactor
from harness.tools.tool import ToolCall, ToolSpec
from harness.tools.tool_approvals import ApprovedTool, ToolApprovals

LISTING_FRESH_SECONDS = 60.0


class McpToolbox:
    """The `Toolbox` of the MCP servers of one project; it belongs to one event loop.

    Args:
        servers: by the names they are registered under.
        environment: where `env:NAME` is looked up, and what a server's process is given a few variables of.
        folder: of the project; where a server's process is started.
        person: in whose name `pin: first_use` approves.
        monotonic: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        servers: Mapping[str, McpServerSpec],
        approvals: ToolApprovals,
        *,
        environment: Mapping[str, str],
        folder: Path,
        person: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._approvals = approvals
        self._person = person
        named = [name for spec in servers.values() for name in spec.secret_variables()]
        redactor = Redactor.of_environment(environment, named)
        self._servers = {
            name: _Server(name, spec, environment, folder, redactor, monotonic) for name, spec in servers.items()
        }

    async def tool(self, name: str) -> "McpTool":
        """The tool `server.tool`; its server is reached here; see `Toolbox`.

        Raises:
            NameUnknown: no server is registered under its first part.
            ToolFailed: its server cannot be reached, does not have it, or describes it in a way that cannot be used.
            ToolChanged: it was never approved, or is not what was.
            ConfigurationInvalid: the extra `mcp` is not installed.
        """
        prefix, _, own = name.partition(".")
        server = self._server(prefix, asked=name)
        listed = await server.listed()
        found = listed.get(own)
        if found is None:
            near = nearest_names(own, listed)
            hint = f"; did you mean {' or '.join(f'{prefix}.{each}' for each in near)}?" if near else ""
            raise ToolFailed(name, f"its server does not have it{hint}")
        if found.problem is not None:
            raise ToolFailed(name, found.problem)
        await self._require_approved(server, [found], await self._approvals.approved(prefix))
        return McpTool(server, found)

    async def tools(self, server: str) -> list[ToolSpec]:
        """The tools of a server that may be called now, by name; `review` says what keeps the others off.

        Raises:
            NameUnknown: no server is registered under this name.
            ToolFailed: it cannot be reached.
            ConfigurationInvalid: the extra `mcp` is not installed.
        """
        reached = self._server(server)
        usable = [tool for tool in (await reached.listed()).values() if tool.problem is None]
        approved = await self._approvals.approved(server)
        allowed: list[ToolSpec] = []
        for tool in sorted(usable, key=lambda each: each.name):
            try:
                await self._require_approved(reached, [tool], approved)
            except ToolChanged:
                continue
            allowed.append(reached.tool_spec(tool))
        return allowed

    async def review(self, server: str) -> list[ReviewedTool]:
        """All that a server lists, and what was approved of it and is gone, for a person to look at. Changes nothing.

        Raises: as `tools`.
        """
        listed = await self._server(server).listed(anew=True)
        return reviewed_tools(server, listed, await self._approvals.approved(server))

    async def approve(self, reviewed: Iterable[ReviewedTool], *, person: str) -> list[str]:
        """Let tools in as they were reviewed, whatever the server says by now; the names of those that were let in.

        Those that are gone or cannot be used are passed over.
        """
        names: list[str] = []
        for tool in reviewed:
            if tool.digest is not None and tool.document is not None:
                await self._approvals.approve(tool.server, tool.tool, tool.digest, tool.document, person)
                names.append(f"{tool.server}.{tool.tool}")
        return names

    async def close(self) -> None:
        """End all sessions, and the servers that are processes of ours; idempotent."""
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    def _server(self, name: str, *, asked: str | None = None) -> "_Server":
        if name not in self._servers:
            raise NameUnknown("tool" if asked else "MCP server", asked or name, nearest_names(name, self._servers))
        return self._servers[name]

    async def _require_approved(
        self, server: "_Server", tools: Iterable[ListedTool], approved: Mapping[str, ApprovedTool]
    ) -> None:
        for tool in tools:
            if tool.name not in approved and server.spec.pin == "first_use":
                await self._approvals.approve(server.name, tool.name, tool.digest, tool.document, self._person)
            else:
                require_approved(server.name, tool, approved.get(tool.name))


class McpTool:
    """One tool of a server, as it was when it was found."""

    def __init__(self, server: "_Server", listed: ListedTool) -> None:
        self._server = server
        self._listed = listed
        self._spec = server.tool_spec(listed)

    @property
    def spec(self) -> ToolSpec:
        """See `Tool`; description and schema are the server's words, made fit to be shown as data."""
        return self._spec

    async def call(self, call: ToolCall) -> Json:
        """Call it once; see `Tool`.

        Raises:
            ToolFailed: as the server says, or as it went.
            ToolChanged: the server describes it otherwise by now; it was not called.
        """
        return await self._server.call(self._listed, call.arguments, call.idempotency_key)


class _Session(Protocol):
    """An open session, as `mcp_session.py` has it: that module needs the extra `mcp` and is imported late."""

    tools_changed: bool

    @property
    def ended(self) -> bool: ...

    async def listed(self) -> dict[str, ListedTool]: ...

    async def call(self, tool: str, arguments: JsonObject, idempotency_key: str) -> Json: ...

    async def close(self) -> None: ...


class _Server:
    """One registered server, and the session with it while there is one."""

    def __init__(
        self,
        name: str,
        spec: McpServerSpec,
        environment: Mapping[str, str],
        folder: Path,
        redactor: Redactor,
        monotonic: Callable[[], float],
    ) -> None:
        self.name = name
        self.spec = spec
        self._environment = environment
        self._folder = folder
        self._redactor = redactor
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._session: _Session | None = None
        self._listed: Mapping[str, ListedTool] = {}
        self._listed_at = 0.0

    def tool_spec(self, tool: ListedTool) -> ToolSpec:
        """A tool as it is known, with what the project says of its server."""
        spec = self.spec
        return ToolSpec(
            name=f"{self.name}.{tool.name}",
            description=tool.shown_description,
            parameters=tool.shown_schema,
            effect=spec.effect,
            outward=spec.outward,
            trusted=spec.trusted,
            private=spec.private,
            approval=spec.approval,
            timeout_seconds=spec.timeout_seconds,
            max_result_bytes=spec.max_result_bytes,
            digest=tool.digest,
        )

    async def listed(self, *, anew: bool = False) -> Mapping[str, ListedTool]:
        """The server's tools as they are now, or were less than a minute ago."""
        listed, _ = await self._reached(anew=anew)
        return listed

    async def call(self, tool: ListedTool, arguments: JsonObject, idempotency_key: str) -> Json:
        """Call a tool if it is still what it was."""
        listed, session = await self._reached()
        now = listed.get(tool.name)
        name = f"{self.name}.{tool.name}"
        if now is None:
            raise ToolFailed(name, "its server does not have it any more")
        if now.problem is not None:
            raise ToolFailed(name, now.problem)
        if now.digest != tool.digest:
            raise ToolChanged(self.name, tool.name, difference(tool.document, now.document))
        return await session.call(tool.name, arguments, idempotency_key)

    async def close(self) -> None:
        """End the session; the next use opens one anew."""
        async with self._lock:
            session, self._session = self._session, None
            if session is not None:
                await session.close()

    async def _reached(self, *, anew: bool = False) -> tuple[Mapping[str, ListedTool], _Session]:
        """A session that is open and a listing that holds; asking for it also shows whether the server still answers.

        Nothing was sent for a caller yet: so a session that turns out to be dead is replaced here, once.
        """
        async with self._lock:
            session = self._session
            if session is not None and not session.ended:
                fresh = self._monotonic() - self._listed_at < LISTING_FRESH_SECONDS
                if fresh and not anew and not session.tools_changed:
                    return self._listed, session
                try:
                    return await self._listing_of(session), session
                except ToolFailed as failed:
                    if not failed.retryable:
                        raise
            if session is not None:
                self._session = None
                await session.close()
            session = await self._opened()
            return await self._listing_of(session), session

    async def _listing_of(self, session: _Session) -> Mapping[str, ListedTool]:
        self._listed = await session.listed()
        self._listed_at = self._monotonic()
        return self._listed

    async def _opened(self) -> _Session:
        try:
            # Late: MCP's library takes a second to import, and comes with an extra.
            from harness.integrations.mcp_session import open_session
        except ImportError as error:
            setting, value = f"mcp_servers.{self.name}", self.spec.url or " ".join(self.spec.command or ())
            remedy = f"MCP servers need an extra: install portable-harness[mcp] ({error})"
            raise ConfigurationInvalid(setting, value, "harness.yaml", remedy) from error
        session = await open_session(
            self.name, self.spec, environment=self._environment, folder=self._folder, redactor=self._redactor
        )
        self._session = session
        return session
