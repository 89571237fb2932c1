"""What may be said of a tool, in `harness.yaml` or at a Python function, and what holds where nothing is said.

What harness.yaml says wins over what a function says of itself; `check` knows only the former, because it imports
nothing.
"""

from pydantic import BaseModel, ConfigDict, Field

from harness.json_values import JsonObject
from harness.tools.declarations import ToolDeclaration
from harness.tools.tool import MAX_RESULT_BYTES, TIMEOUT_SECONDS, Approval, ToolSpec


class ToolTraits(BaseModel):
    """What is said of one tool; None where nothing is. The fields mean what they mean in `ToolSpec`.

    Args:
        description: what it does, for the models that may call it and for who approves a call; a Python function has
            the first line of its docstring.
        effect: it changes something in the world. Not said, an HTTP request has none where it is GET or HEAD.
        outward: its arguments leave the house. Not said, those of an HTTP request do, and those of an effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str | None = Field(default=None, min_length=1, max_length=4000)
    effect: bool | None = None
    outward: bool | None = None
    trusted: bool | None = None
    private: bool | None = None
    approval: Approval | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, le=3600)
    max_result_bytes: int | None = Field(default=None, ge=1, le=100_000_000)

    def over(self, weaker: "ToolTraits") -> "ToolTraits":
        """What is said here, and for the rest what is said there."""
        names = ToolTraits.model_fields
        said = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return weaker.model_copy(update=said)

    def declaration(
        self,
        name: str,
        *,
        effect: bool = False,
        outward: bool = False,
        parameters: frozenset[str] | None = None,
        required: frozenset[str] = frozenset(),
    ) -> ToolDeclaration:
        """What is declared of the tool; `effect` and `outward` hold where nothing is said of them."""
        has_effect = effect if self.effect is None else self.effect
        return ToolDeclaration(
            name,
            effect=has_effect,
            outward=outward or has_effect if self.outward is None else self.outward,
            trusted=self.trusted is True,
            private=self.private is True,
            approval=self.approval or Approval.NEVER,
            parameters=parameters,
            required=required,
        )

    def spec(self, declared: ToolDeclaration, *, description: str, parameters: JsonObject) -> ToolSpec:
        """The tool as it is known once its schema is; `description` holds where nothing is said."""
        return ToolSpec(
            name=declared.name,
            description=self.description or description,
            parameters=parameters,
            effect=declared.effect,
            outward=declared.outward,
            trusted=declared.trusted,
            private=declared.private,
            approval=declared.approval,
            timeout_seconds=self.timeout_seconds or TIMEOUT_SECONDS,
            max_result_bytes=self.max_result_bytes or MAX_RESULT_BYTES,
        )
