"""What is written down of an agent's loop beside the answers it paid for and the results of its tools.

Those have journals of their own. Here is what else a resumed loop needs to be the same: the tools as the model was
shown them, how each step was put to it, and the failures it was told. All of it is written before the next thing
happens, so that neither another binding nor a changed tool makes a question that was answered into another one.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from harness.json_values import Json, JsonObject, digest_of
from harness.workflow.node_kinds import ToolStyle
from harness.workflow.nodes.agent.tools import ShownTool
from harness.workflow.nodes.agent.transcript import Put
from harness.workflow.nodes.step_journal import RecordedStep, StepJournal, StepStatus

_KIND = "agent"
_QUESTION = "question"


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
        self._results = {(each.path, each.digest): each.result for each in recorded if each.status is StepStatus.DONE}
        self._asked: dict[int, Asked] = {}
        self._status: dict[int, StepStatus] = {}
        for each in recorded:
            if each.path.startswith(f"{path}/ask#"):
                asked = _asked(each)
                self._asked[asked.ordinal], self._status[asked.ordinal] = asked, each.status

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
        """The last question that was put at a step; None where it is known that it has no answer."""
        last = self._last(step)
        return None if last is None or self._status[last.ordinal] is StepStatus.FAILED else last

    async def ask(self, step: int, put: Put) -> Asked:
        """Note a question that is put next; one that failed and is put again as it was has its ordinal again."""
        last = self._last(step)
        if last is None or self._status[last.ordinal] is not StepStatus.FAILED or last.put != put:
            last = Asked(step, 1 + max(self._asked, default=-1), put)
        await self._journal.begin(self._place(last), _kind(last), digest_of(_kind(last)))
        self._asked[last.ordinal], self._status[last.ordinal] = last, StepStatus.BEGUN
        return last

    async def answered(self, asked: Asked) -> None:
        """Note that a question has its answer."""
        if self._status[asked.ordinal] is not StepStatus.DONE:
            await self._journal.finish(self._place(asked), digest_of(_kind(asked)), None)
            self._status[asked.ordinal] = StepStatus.DONE

    async def unanswered(self, asked: Asked, reason: str) -> None:
        """Note that a question has no answer, so that the next one may be put in another way."""
        await self._journal.fail(self._place(asked), digest_of(_kind(asked)), reason)
        self._status[asked.ordinal] = StepStatus.FAILED

    def failure(self, place: str, call: Json) -> Failure | None:
        """What the model was told of a call that failed; `place`: of the call, within the loop."""
        found = self._results.get((f"{self._path}/told#{place}", digest_of(call)))
        return Failure(str(found["text"]), bool(found["by_tool"])) if isinstance(found, dict) else None

    async def tell(self, place: str, call: Json, failure: Failure) -> None:
        """Note what the model is told of a call that failed, so that the call is not made again for that turn."""
        await self._keep(
            f"{self._path}/told#{place}", digest_of(call), {"text": failure.text, "by_tool": failure.by_tool}
        )

    def _last(self, step: int) -> Asked | None:
        return max((each for each in self._asked.values() if each.step == step), key=_ordinal, default=None)

    def _place(self, asked: Asked) -> str:
        return f"{self._path}/ask#{asked.ordinal}"

    async def _keep(self, path: str, digest: str, result: Json) -> None:
        await self._journal.begin(path, _KIND, digest)
        await self._journal.finish(path, digest, result)
        self._results[path, digest] = result


def _ordinal(asked: Asked) -> int:
    return asked.ordinal


def _kind(asked: Asked) -> str:
    # How a question is put is its kind, because that must be known also of one whose answer is not.
    return f"{_QUESTION} {asked.step} {asked.put.style.value} {asked.put.shortened}"


def _asked(step: RecordedStep) -> Asked:
    _, at, style, shortened = step.kind.split()
    return Asked(int(at), int(step.path.rpartition("#")[2]), Put(ToolStyle(style), int(shortened)))
