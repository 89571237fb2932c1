"""What is written down of an agent's loop beside the answers it paid for and the results of its tools.

Those have journals of their own. Here is what else a resumed loop needs to be the same: the tools as the model was
shown them, how each step was put to it, and the failures it was told. All of it is written before the next thing
happens, so that neither another binding nor a changed tool makes a question that was answered into another one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from harness.json_values import Json, JsonObject, digest_of
from harness.workflow.node_kinds import ToolStyle
from harness.workflow.nodes.agent_tools import ShownTool
from harness.workflow.nodes.agent_transcript import Put
from harness.workflow.nodes.step_journal import RecordedStep, StepJournal, StepStatus

_KIND = "agent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was put: at which step, under which ordinal of the node's place."""

    step: int
    ordinal: int
    put: Put


@dataclass(frozen=True, slots=True)
class Failure:
    """What a model was told of a call that failed; `by_tool`: the tool or its server said so."""

    text: str
    by_tool: bool


class LoopRecord:
    """The record of one visit's loop; a visit that is tried again goes on with it."""

    def __init__(self, journal: StepJournal, path: str, recorded: Sequence[RecordedStep]) -> None:
        self._journal = journal
        self._path = path
        done = [each for each in recorded if each.status is StepStatus.DONE]
        self._results = {(each.path, each.digest): each.result for each in done}
        questions = f"{path}/ask#"
        self._asked = [_asked(each.result) for each in done if each.path.startswith(questions)]

    @classmethod
    async def read(cls, journal: StepJournal, path: str) -> "LoopRecord":
        """What is recorded for the visit of this path."""
        place = f"{path}/{_KIND}"
        return cls(journal, place, await journal.steps(place))

    async def tools(
        self, names: Sequence[str], show: Callable[[], Awaitable[tuple[ShownTool, ...]]]
    ) -> tuple[ShownTool, ...]:
        """The tools as they were shown at first; `show` looks them up where they were not yet."""
        digest = digest_of(list(names))
        known = self._results.get((self._path, digest))
        if known is not None:
            return tuple(ShownTool.from_json(cast("JsonObject", each)) for each in cast("list[Json]", known))
        tools = await show()
        await self._keep(self._path, digest, [tool.to_json() for tool in tools])
        return tools

    def asked(self, step: int) -> Asked | None:
        """The last question that was put at a step."""
        return next((each for each in reversed(self._asked) if each.step == step), None)

    async def ask(self, step: int, put: Put) -> Asked:
        """Note a question that is put next; no other has its ordinal."""
        ordinal = 1 + max((each.ordinal for each in self._asked), default=-1)
        asked = Asked(step, ordinal, put)
        said: JsonObject = {"step": step, "ordinal": ordinal, "style": put.style.value, "shortened": put.shortened}
        await self._keep(f"{self._path}/ask#{ordinal}", digest_of(step), said)
        self._asked.append(asked)
        return asked

    def failure(self, place: str, call: Json) -> Failure | None:
        """What the model was told of a call that failed; `place`: of the call, within the loop."""
        found = self._results.get((f"{self._path}/told#{place}", digest_of(call)))
        return Failure(str(found["text"]), bool(found["by_tool"])) if isinstance(found, dict) else None

    async def tell(self, place: str, call: Json, failure: Failure) -> None:
        """Note what the model is told of a call that failed, so that the call is not made again for that turn."""
        await self._keep(
            f"{self._path}/told#{place}", digest_of(call), {"text": failure.text, "by_tool": failure.by_tool}
        )

    async def _keep(self, path: str, digest: str, result: Json) -> None:
        await self._journal.begin(path, _KIND, digest)
        await self._journal.finish(path, digest, result)
        self._results[path, digest] = result


def _asked(result: Json) -> Asked:
    said = cast("Mapping[str, int | str]", result)
    put = Put(ToolStyle(str(said["style"])), int(said["shortened"]))
    return Asked(int(said["step"]), int(said["ordinal"]), put)
