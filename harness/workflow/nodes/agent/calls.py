"""The tool calls of an agent's turn: made at once where that is safe, else in order, and what came of each.

A failure is told to the model, which may mend it. What only a person can mend (a question that is open, a tool that
is not the one that was approved) ends the loop and leaves everything before it recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.exceptions import Confined, ToolArgumentsRefused, ToolFailed
from harness.json_values import Json, JsonObject, canonical_json, digest_of
from harness.workflow.answers import Rejected, read_answer
from harness.workflow.nodes.agent.record import Failure, LoopRecord
from harness.workflow.nodes.agent.tools import ShownTool
from harness.workflow.nodes.agent.transcript import AskedCall, Told
from harness.workflow.nodes.mapping import over_items
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.origins import origin_of_tool
from harness.workflow.prompts import fenced

_AT_ONCE = 8
_MOST_CALLS_A_TURN = 32
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call.

    Args:
        text: the result, or what went wrong.
        call: what was called with what; None where the model's words were no call.
        by_tool: a tool, or its server, said what went wrong.
    """

    text: str
    failed: bool
    call: Json = None
    by_tool: bool = False


@dataclass(frozen=True, slots=True)
class _Meant:
    """A call that can be made: a tool that there is, arguments that are a mapping."""

    number: int
    tool: ShownTool
    arguments: JsonObject
    path: str

    @property
    def call(self) -> Json:
        return [self.tool.name, self.arguments]


class AgentCalls:
    """Makes the calls of one loop.

    A call's place in the run is named by what is called with what, and by how often that succeeded before: a call that
    failed and that the model makes again has the same idempotency key, one that succeeded and is made again another.
    """

    def __init__(
        self, caller: ToolCaller, record: LoopRecord, visit: Visit, tools: Sequence[ShownTool], *, most_characters: int
    ) -> None:
        self._caller = caller
        self._record = record
        self._visit = visit
        self._tools: Mapping[str, ShownTool] = {tool.shown: tool for tool in tools}
        self._most_characters = most_characters
        self._succeeded: set[str] = set()

    async def outcomes(self, ordinal: int, calls: Sequence[AskedCall]) -> tuple[Outcome, ...]:
        """What came of each call of a turn, in their order.

        Args:
            ordinal: of the question that the turn answers.

        Raises:
            HarnessError: WaitsForPerson, say. The failures so far are noted and will not be called again.
        """
        outcomes: dict[int, Outcome] = {}
        meant: list[_Meant] = []
        taken: set[str] = set()
        for number, call in enumerate(calls):
            found = self._meant(number, call, taken)
            if isinstance(found, str):
                outcomes[number] = Outcome(found, failed=True)
                continue
            taken.add(found.path)
            if (failure := self._record.failure(f"{ordinal}.{number}", found.call)) is not None:
                outcomes[number] = self._failed(found, failure.text, by_tool=failure.by_tool)
            else:
                meant.append(found)
        await self._make(ordinal, meant, outcomes)
        return tuple(outcomes[number] for number in range(len(calls)))

    async def note_failures(self, ordinal: int, outcomes: Mapping[int, Outcome]) -> None:
        """Write down what the model is told of calls that failed, by their place in the turn, before it is told."""
        for number, outcome in outcomes.items():
            if outcome.failed and outcome.call is not None:
                failure = Failure(outcome.text, outcome.by_tool)
                await self._record.tell(f"{ordinal}.{number}", outcome.call, failure)

    def told(self, calls: Sequence[AskedCall], outcomes: Sequence[Outcome]) -> tuple[Told, ...]:
        """What the model is told: each result as data, cut where it is too long, and said to be."""
        return tuple(self._told(call.shown, outcome) for call, outcome in zip(calls, outcomes, strict=True))

    def _told(self, shown: str, outcome: Outcome) -> Told:
        # A name that is no tool's is the model's own words.
        name = shown if shown in self._tools else "unknown"
        text = fenced(name, outcome.text, max_characters=self._most_characters)
        return Told(text, len(outcome.text), outcome.failed)

    async def _make(self, ordinal: int, meant: Sequence[_Meant], outcomes: dict[int, Outcome]) -> None:
        made: dict[int, Outcome] = {}

        async def one(_place: int, each: _Meant) -> None:
            made[each.number] = await self._made(each)

        try:
            if any(each.tool.in_order for each in meant):
                # One that waits for a person holds up those after it: the model meant them to come later.
                for place, each in enumerate(meant):
                    await one(place, each)
            else:
                await over_items(meant, one, max_concurrency=_AT_ONCE)
        except Exception:
            await self.note_failures(ordinal, made)
            raise
        outcomes |= made

    async def _made(self, each: _Meant) -> Outcome:
        try:
            result = await self._caller.call(each.tool.name, each.arguments, visit=self._visit, path=each.path)
        except (ToolArgumentsRefused, Confined) as error:
            return self._failed(each, error.reason, by_tool=False)
        except ToolFailed as error:
            return self._failed(each, error.reason, by_tool=True)
        self._succeeded.add(each.path)
        return Outcome(result if isinstance(result, str) else canonical_json(result), failed=False, call=each.call)

    def _failed(self, each: _Meant, reason: str, *, by_tool: bool) -> Outcome:
        if by_tool:
            # What a stranger's server says of its failure is a text from outside too.
            tool = each.tool
            self._visit.carried.add(origin_of_tool(tool.name, trusted=tool.trusted, private=tool.private))
        return Outcome(reason, failed=True, call=each.call, by_tool=by_tool)

    def _meant(self, number: int, call: AskedCall, taken: set[str]) -> _Meant | str:
        """The call that the model's words mean; in words, why they mean none."""
        if number >= _MOST_CALLS_A_TURN:
            return f"only the first {_MOST_CALLS_A_TURN} calls of a turn are made: ask for the others in the next"
        tool = self._tools.get(call.shown)
        if tool is None:
            return f"there is no such tool; there is {', '.join(self._tools)}"
        read = read_answer(call.arguments, {"type": "object"})
        if isinstance(read, Rejected):
            return f"the arguments are no JSON object: {read.reason}"
        assert isinstance(read.value, dict)
        return _Meant(number, tool, read.value, self._path(tool, read.value, taken))

    def _path(self, tool: ShownTool, arguments: JsonObject, taken: set[str]) -> str:
        place = f"{self._visit.path}/tool#{digest_of([tool.name, arguments])[:_DIGEST_CHARACTERS]}"
        path, times = place, 1
        while path in self._succeeded or path in taken:
            times += 1
            path = f"{place}.{times}"
        return path
