"""The small words that workflow files are made of: names, keys, paths, arguments, and the frozen model they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.json_values import Json

# A name that people type: letters, digits, `_`, `-` and, between parts, `.`.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$", max_length=80)]
StateKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# A state key, or a field within it: `approval.approved`.
StatePath = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)*$", max_length=200)]
# A condition over state keys, such as `score >= 0.8 and not risky`; its grammar is in `expressions/`.
Expression = Annotated[str, Field(min_length=1, max_length=2000)]
Argument = Annotated[Json, "a plain value, or `{from: key}` for a state key or a dotted field of the item"]

END = "end"


class SpecModel(BaseModel):
    """A part of a workflow file: never changed once read, no key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
