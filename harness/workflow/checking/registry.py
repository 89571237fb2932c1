"""What a workflow may name: code, tools, servers of tools and other workflows, as the project registers them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.tools.declarations import ToolDeclaration


@dataclass(frozen=True, slots=True)
class Registry:
    """The registered names, with what is declared of them; nothing of it is imported or reached.

    Args:
        servers: MCP servers; a tool of one is `server.tool`, and its declaration is the server's.
    """

    code: frozenset[str] = frozenset()
    tools: Mapping[str, ToolDeclaration] = field(default_factory=dict[str, ToolDeclaration])
    servers: Mapping[str, ToolDeclaration] = field(default_factory=dict[str, ToolDeclaration])
    workflows: frozenset[str] = frozenset()

    @classmethod
    def of_names(cls, names: Iterable[str]) -> "Registry":
        """A registry where each name is code and a tool of which nothing is declared."""
        known = frozenset(names)
        return cls(known, {name: ToolDeclaration(name) for name in known})

    def tool(self, name: str) -> ToolDeclaration | None:
        """What is declared of a tool; None where nothing is registered under its name."""
        found = self.tools.get(name)
        if found is None and "." in name:
            found = self.servers.get(name.partition(".")[0])
        return found

    def tool_names(self) -> tuple[str, ...]:
        """For suggestions: the tools, and each server with a star for its tools."""
        return (*self.tools, *(f"{server}.*" for server in self.servers))
