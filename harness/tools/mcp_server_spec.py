"""An MCP server as `harness.yaml` names it: how it is started or reached, and what is said of all its tools.

Nothing is started or reached here.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.tools.declarations import ToolDeclaration
from harness.tools.environment_values import (
    EnvironmentValue,
    HeaderName,
    VariableName,
    headers_without_secrets,
    variables_named,
)
from harness.tools.tool import Approval

# Without a dot: a tool of a server is `server.tool`.
ServerName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=40)]


class McpServerSpec(BaseModel):
    """One MCP server.

    Args:
        command: starts it, with its arguments, speaking over stdin and stdout; runs in the project's folder.
        env: variables that the process is given beside the few that any program needs; `env:NAME` is taken from ours.
        url: where it is served over HTTP, instead of `command`.
        headers: sent with each request to `url`; `env:NAME`, or `Bearer env:NAME`, is taken from the environment.
        effect: its tools change something in the world.
        outward: arguments of its tools leave the house.
        trusted: what its tools answer holds no text that a stranger could have written.
        private: what its tools answer holds what may not leave the house.
        approval: whether a person must see each call.
        pin: `approve`: a tool is off until a person approved its name, description and schema
            (`harness tools approve SERVER`). `first_use`: what it is when it is first used counts as approved, and a
            person is asked only when it changes. The former is the default, because descriptions are read by models
            beside their instructions, and at first use nobody has looked at them.
        timeout_seconds: of one call, and of starting or reaching it.
        max_result_bytes: of one result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(default=None, min_length=1)
    env: dict[VariableName, EnvironmentValue] = Field(default_factory=dict)
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)] | None = None
    headers: dict[HeaderName, EnvironmentValue] = Field(default_factory=dict)
    effect: bool = False
    outward: bool = True
    trusted: bool = False
    private: bool = False
    approval: Approval = Approval.NEVER
    pin: Literal["approve", "first_use"] = "approve"
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    max_result_bytes: int = Field(default=1_000_000, ge=1, le=100_000_000)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a server has a `command` that starts it, or a `url` where it is served")
        if self.env and self.command is None:
            raise ValueError("`env` is for a server that is started by `command`; one at a `url` has `headers`")
        if self.headers and self.url is None:
            raise ValueError("`headers` are for a server at a `url`; one that is started by `command` has `env`")
        headers_without_secrets(self.headers)
        return self

    def declaration(self, name: str) -> ToolDeclaration:
        """What is declared of all its tools."""
        return ToolDeclaration(
            name,
            effect=self.effect,
            outward=self.outward,
            trusted=self.trusted,
            private=self.private,
            approval=self.approval,
        )

    def secret_variables(self) -> frozenset[str]:
        """The environment variables whose values are secrets."""
        return variables_named([*self.env.values(), *self.headers.values()])
