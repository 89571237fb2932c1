"""The commands `tools`, `tools show` and `tools approve`: what workflows may do in the world, and what a server may say."""

import asyncio
import inspect
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from harness.assembly import Harness, utc_now
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, counted
from harness.exceptions import NameUnknown
from harness.integrations.mcp_pins import PinState, ReviewedTool
from harness.integrations.mcp_toolbox import McpToolbox
from harness.json_values import JsonObject
from harness.names import nearest_names
from harness.project import Project
from harness.storage.sql_tool_approvals import SqlToolApprovals
from harness.tools.declarations import ToolDeclaration
from harness.tools.python_tool import KEY_PARAMETER
from harness.tools.registered import FunctionTool
from harness.tools.tool import ToolSpec

commands = Commands()
tools_group = Commands(invoke_without_command=True)
commands.add_typer(tools_group, name="tools")

_FLAGS = ("effect", "outward", "trusted", "private")
_TO_APPROVE = (PinState.NEW, PinState.CHANGED)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A tool, an MCP server, or SERVER.TOOL.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A registered tool, or a server of tools.

    Args:
        origin: the place in harness.yaml, or the installed package.
    """

    declared: ToolDeclaration
    kind: str
    origin: str

    @property
    def flags(self) -> str:
        """What is declared of it, in words."""
        said = [flag for flag in _FLAGS if getattr(self.declared, flag)]
        return " ".join(said) or "-"

    def as_object(self) -> JsonObject:
        """As programs read it."""
        flags: JsonObject = {flag: getattr(self.declared, flag) for flag in _FLAGS}
        return {
            "name": self.declared.name,
            "kind": self.kind,
            **flags,
            "approval": self.declared.approval.value,
            "from": self.origin,
        }


@tools_group.callback()
def tools(ctx: typer.Context) -> None:
    """List the tools that workflows may name, with what harness.yaml says of each; reaches no server."""
    if ctx.invoked_subcommand is not None:
        return
    context = context_of(ctx)
    context.output.rows(
        tool_rows(context.required_project()),
        [
            Column("tool", lambda row: row.declared.name),
            Column("kind", lambda row: row.kind),
            Column("is", lambda row: row.flags),
            Column("approval", lambda row: row.declared.approval.value),
            Column("from", lambda row: row.origin),
        ],
        as_object=ToolRow.as_object,
        empty="no tools are registered: name them under `tools` or `mcp_servers` in harness.yaml",
    )


def tool_rows(project: Project) -> list[ToolRow]:
    """All that is registered, by name: tools first, then servers."""
    registry = project.registry()
    rows = [
        ToolRow(
            registry.tools[name], "function" if isinstance(said, FunctionTool) else "http", project.tool_origin(name)
        )
        for name, said in sorted(project.tools.items())
    ]
    servers = sorted(registry.servers.items())
    return [
        *rows,
        *(ToolRow(declared, "mcp server", project.document.place(("mcp_servers", name))) for name, declared in servers),
    ]


@tools_group.command("show")
def show(ctx: typer.Context, name: NameArgument) -> None:
    """Show one tool with the schema of its arguments; of an MCP server, which is reached, all that it offers."""
    context = context_of(ctx)
    project = context.required_project()
    if name.partition(".")[0] in project.file.mcp_servers:
        reviewed = _reviewed(context, name)
        _say_reviewed(context, reviewed, whole="." in name)
        return
    known = [row.declared.name for row in tool_rows(project)]
    if name not in project.tools:
        raise NameUnknown("tool", name, nearest_names(name, known))
    spec = asyncio.run(_spec_of(project, name))
    shown = _as_object(spec, project.tool_origin(name))
    context.output.record(shown, "\n".join(_as_lines(shown)))
    if spec.effect and isinstance(project.tools[name], FunctionTool) and not _takes_key(project, name):
        context.output.say(
            f"it takes no `{KEY_PARAMETER}: str`: after a crash it may run twice, so it must be safe to repeat",
            style="yellow",
        )


@tools_group.command("approve")
def approve(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="SERVER[.TOOL]", help="All of a server's tools, or one.")],
    yes: Annotated[bool, typer.Option("--yes", help="Approve what is shown without asking.")] = False,
) -> None:
    """Show what an MCP server's new or changed tools say of themselves, and let them in as they are shown."""
    context = context_of(ctx)

    async def body(harness: Harness) -> list[str]:
        servers = _servers(harness, context.required_project())
        try:
            found = _named(await servers.review(name.partition(".")[0]), name)
            waiting = [tool for tool in found if tool.state in _TO_APPROVE]
            if not waiting:
                context.output.say("nothing waits for approval")
                return []
            for tool in waiting:
                context.output.say("\n".join(_review_lines(tool)))
            if not yes and not _agreed(len(waiting)):
                return []
            return await servers.approve(waiting, person=harness.settings.person)
        finally:
            await servers.close()

    approved = context.work(body)
    context.output.record({"approved": approved}, "\n".join(f"approved {each}" for each in approved))


def _agreed(count: int) -> bool:
    """What the person at the terminal says; without one nothing is agreed to."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is there to ask: look at what is shown, then say --yes")
    return typer.confirm(f"let {counted(count, 'tool')} in as shown?", err=True)


def _servers(harness: Harness, project: Project) -> McpToolbox:
    return McpToolbox(
        project.file.mcp_servers,
        SqlToolApprovals(harness.databases.runs_writer, organisation=harness.organisation, clock=utc_now),
        environment=os.environ,
        folder=project.folder,
        person=harness.settings.person,
        monotonic=time.monotonic,
    )


def _reviewed(context: CommandContext, name: str) -> Sequence[ReviewedTool]:
    async def body(harness: Harness) -> Sequence[ReviewedTool]:
        servers = _servers(harness, context.required_project())
        try:
            return _named(await servers.review(name.partition(".")[0]), name)
        finally:
            await servers.close()

    return context.work(body)


def _named(reviewed: Sequence[ReviewedTool], name: str) -> Sequence[ReviewedTool]:
    server, dot, tool = name.partition(".")
    found = [each for each in reviewed if not dot or each.tool == tool]
    if dot and not found:
        raise NameUnknown("tool", name, nearest_names(name, [f"{server}.{each.tool}" for each in reviewed]))
    return found


def _say_reviewed(context: CommandContext, reviewed: Sequence[ReviewedTool], *, whole: bool) -> None:
    if whole:
        (tool,) = reviewed
        context.output.record(_review_object(tool), "\n".join(_review_lines(tool)))
        return
    context.output.rows(
        reviewed,
        [
            Column("tool", lambda row: f"{row.server}.{row.tool}"),
            Column("state", lambda row: row.state.value),
            Column("says", lambda row: row.description.partition("\n")[0]),
            Column("why", lambda row: row.difference or "-"),
        ],
        as_object=_review_object,
        empty="the server has no tools",
    )


def _review_object(tool: ReviewedTool) -> JsonObject:
    return {
        "name": f"{tool.server}.{tool.tool}",
        "state": tool.state.value,
        "why": tool.difference,
        "description": tool.description,
        "parameters": tool.parameters,
        "digest": tool.digest,
    }


def _review_lines(tool: ReviewedTool) -> list[str]:
    why = f" ({tool.difference})" if tool.difference else ""
    return [
        f"{tool.server}.{tool.tool}: {tool.state.value}{why}",
        *(f"  {line}" for line in tool.description.splitlines()),
        *(f"  {line}" for line in json.dumps(tool.parameters, indent=2, ensure_ascii=False).splitlines()),
    ]


async def _spec_of(project: Project, name: str) -> ToolSpec:
    toolbox = project.toolbox(environment=os.environ, mcp=None)
    try:
        return (await toolbox.tool(name)).spec
    finally:
        await toolbox.close()


def _takes_key(project: Project, name: str) -> bool:
    return KEY_PARAMETER in inspect.signature(project.tool_function(name)).parameters


def _as_object(spec: ToolSpec, origin: str) -> JsonObject:
    flags: JsonObject = {flag: getattr(spec, flag) for flag in _FLAGS}
    return {
        "name": spec.name,
        "description": spec.description,
        **flags,
        "approval": spec.approval.value,
        "timeout_seconds": spec.timeout_seconds,
        "max_result_bytes": spec.max_result_bytes,
        "from": origin,
        "parameters": spec.parameters,
    }


def _as_lines(shown: JsonObject) -> list[str]:
    said = [flag for flag in _FLAGS if shown[flag]]
    return [
        f"{shown['name']}: {shown['description']}" if shown["description"] else str(shown["name"]),
        f"is: {' '.join(said) or 'nothing special'}; approval: {shown['approval']}",
        f"at most: {shown['timeout_seconds']} s, {shown['max_result_bytes']:,} bytes",
        f"from: {shown['from']}",
        f"arguments: {json.dumps(shown['parameters'], indent=2, ensure_ascii=False)}",
    ]
