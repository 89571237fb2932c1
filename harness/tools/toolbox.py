"""The tools of a project by their names, each so that no secret leaves it in a result or an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import format_exception
from typing import Any

from harness.exceptions import HarnessError, NameUnknown, ToolArgumentsRefused, ToolChanged, ToolError, ToolFailed
from harness.json_values import Json
from harness.names import nearest_names
from harness.tools.allowed_hosts import AllowedHosts
from harness.tools.http_tool import HttpClient, HttpTool
from harness.tools.mcp_server_spec import McpServerSpec
from harness.tools.python_tool import PythonTool, traits_said_by
from harness.tools.redaction import Redactor
from harness.tools.registered import FunctionTool
from harness.tools.registered import HttpTool as HttpToolSpec
from harness.tools.tool import Tool, Toolbox, ToolCall, ToolSpec
from harness.tools.traits import ToolTraits


@dataclass(frozen=True, slots=True)
class RegisteredTools:
    """What is registered, as values.

    Args:
        tools: by name; those of installed packages too.
        servers: MCP servers by name.
        function_of: imports the function of a name.
        context_type: what a function annotates the parameter with that is given the call's context.
        allowed_hosts: what HTTP tools may reach.
    """

    tools: Mapping[str, FunctionTool | HttpToolSpec]
    servers: Mapping[str, McpServerSpec]
    function_of: Callable[[str], Callable[..., Any]]
    context_type: type
    allowed_hosts: AllowedHosts

    def secret_variables(self) -> frozenset[str]:
        """The environment variables that declarations name: their values are secrets."""
        requests = (each.http for each in self.tools.values() if isinstance(each, HttpToolSpec))
        declarations = (*requests, *self.servers.values())
        return frozenset(name for each in declarations for name in each.secret_variables())


class ProjectToolbox:
    """Implements `Toolbox`. Tools are made when first asked for and kept.

    Args:
        environment: where secrets are.
        mcp: the tools of the servers; None where they cannot be reached here.
    """

    def __init__(self, registered: RegisteredTools, *, environment: Mapping[str, str], mcp: Toolbox | None) -> None:
        self._registered = registered
        self._environment = environment
        self._mcp = mcp
        self._redactor = Redactor.of_environment(environment, registered.secret_variables())
        self._client = HttpClient(registered.allowed_hosts)
        self._made: dict[str, Tool] = {}

    @property
    def redactor(self) -> Redactor:
        """Takes out the secrets that its tools know; for what else the project's own code says."""
        return self._redactor

    async def tool(self, name: str) -> Tool:
        """See the port."""
        if name not in self._registered.tools:
            return RedactedTool(await self._of_server(name), self._redactor)
        if name not in self._made:
            self._made[name] = RedactedTool(self._own(name), self._redactor)
        return self._made[name]

    async def close(self) -> None:
        """Release connections; idempotent."""
        await self._client.close()

    def _own(self, name: str) -> Tool:
        said = self._registered.tools[name]
        if isinstance(said, HttpToolSpec):
            return HttpTool(name, said, self._client, self._environment)
        function = self._registered.function_of(name)
        traits = ToolTraits.over(said, traits_said_by(function))
        return PythonTool(name, function, traits, context_type=self._registered.context_type, redactor=self._redactor)

    async def _of_server(self, name: str) -> Tool:
        server, _, of_server = name.partition(".")
        if not of_server or server not in self._registered.servers:
            known = (*self._registered.tools, *(f"{each}." for each in self._registered.servers))
            raise NameUnknown("tool", name, nearest_names(name, known))
        if self._mcp is None:
            raise ToolFailed(name, f"server {server!r} cannot be reached: `pip install 'portable-harness[mcp]'`")
        return await self._mcp.tool(name)


class RedactedTool:
    """A tool whose results and errors hold no secret."""

    def __init__(self, tool: Tool, redactor: Redactor) -> None:
        self._tool = tool
        self._redactor = redactor

    @property
    def spec(self) -> ToolSpec:
        """See the port."""
        return self._tool.spec

    async def call(self, call: ToolCall) -> Json:
        """See the port."""
        try:
            return self._redactor.value(await self._tool.call(call))
        except ToolChanged:
            raise
        except ToolArgumentsRefused as error:
            said: ToolError = ToolArgumentsRefused(error.tool, self._redactor.text(error.reason))
            cause = error
        except ToolFailed as error:
            said = ToolFailed(error.tool, self._redactor.text(error.reason), retryable=error.retryable)
            cause = error
        except HarnessError:
            raise
        except Exception as error:  # noqa: BLE001 - a port's promise is not kept; what it raised may hold anything
            said = ToolFailed(self.spec.name, self._redactor.text(f"{type(error).__name__}: {error}"))
            cause = error
        raise said from (cause if self._is_clean(cause) else None)

    def _is_clean(self, error: Exception) -> bool:
        """Whether what led to an error may be shown with it."""
        return self._redactor.is_clean("".join(format_exception(error)))
