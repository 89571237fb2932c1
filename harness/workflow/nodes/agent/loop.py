"""The loop of an agent: ask the model, call what it asks for, tell it what came of that, until it answers.

Each call to the model is an entry of the ledger, each call of a tool a step of the journal. After a crash or a wait
the loop begins anew and finds them there, so it says the same to the same point and goes on from it. How a step is put
to the model is decided anew for each, so that a binding may change in the middle of the loop.
"""

from harness.exceptions import AnswerInvalid, ContextTooLong, HarnessError, LimitOfRunReached, NodeFailed
from harness.json_values import Json, JsonObject
from harness.model_call import Answer
from harness.workflow.answers import Accepted, Rejected
from harness.workflow.node_kinds import AgentNode
from harness.workflow.nodes.agent.actions import style_for
from harness.workflow.nodes.agent.calls import AgentCalls, Outcome
from harness.workflow.nodes.agent.record import Asked, LoopRecord
from harness.workflow.nodes.agent.repetition import ASKED_BEFORE, Repetition, repetition
from harness.workflow.nodes.agent.replies import Wish, read_reply
from harness.workflow.nodes.agent.tools import shown_tools
from harness.workflow.nodes.agent.transcript import Conversation, Put, RefusedTurn, ToolTurn, Turn
from harness.workflow.nodes.asking_models import answer_of_model, call_context
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.prompts import Prompt
from harness.workflow.visible_text import visible_text

# Most tokenizers need a token for three characters or more; a provider that counts otherwise says so, and then more
# of the old results is left out.
_CHARACTERS_A_TOKEN = 3
_MOST_REASON = 500


class _Unusable(Exception):
    """A reply that ends the loop with an error; one of an earlier process is replaced by a new one first."""

    def __init__(self, error: HarnessError) -> None:
        super().__init__(error)
        self.error = error


class AgentLoop:
    """One run through the loop, from its beginning.

    Args:
        prompt: what the agent is asked, with what it is told beside it.
        answer_schema: of the final answer; None where that is text.
    """

    def __init__(
        self,
        node: AgentNode,
        prompt: Prompt,
        answer_schema: JsonObject | None,
        *,
        visit: Visit,
        caller: ToolCaller,
        record: LoopRecord,
    ) -> None:
        self._node = node
        self._prompt = prompt
        self._answer_schema = answer_schema
        self._visit = visit
        self._services = visit.services
        self._caller = caller
        self._record = record
        self._context = call_context(visit, node.role)
        self._turns: list[Turn] = []
        self._errors = 0  # turns in a row of which every call failed
        self._refusals = 0  # answers in a row that were not taken
        self._shortened = 0
        self._conversation: Conversation
        self._calls: AgentCalls

    async def run(self) -> Json:
        """The final answer; see `AgentNodeRunner.run` for what is raised."""
        node = self._node
        cached = node.cache is not None
        tools = await self._record.tools(
            node.tools, lambda: shown_tools(self._services.toolbox, node.tools, cached=cached)
        )
        self._conversation = Conversation(node, self._prompt, tools, self._answer_schema)
        self._calls = AgentCalls(
            self._caller, self._record, self._visit, tools, most_characters=node.max_result_characters
        )
        for step in range(node.limits.steps):
            found = await self._step(last=step + 1 == node.limits.steps)
            if found is not None:
                return found.value
        raise AssertionError("the last step answers or fails")

    async def _step(self, *, last: bool) -> Accepted | None:
        """The final answer, or None where a turn was added to the transcript."""
        asked = self._record.asked(len(self._turns)) or await self._put(last=last)
        while True:
            asked, answer = await self._answered(asked, last=last)
            try:
                return await self._taken(asked, answer, last=last)
            except _Unusable as unusable:
                # What an earlier try failed with is not read for ever: the question is asked anew.
                if not answer.replayed:
                    raise unusable.error from None
            asked = await self._put(last=last)

    async def _put(self, *, last: bool) -> Asked:
        """Say how the next question is put, to whoever is bound now."""
        decision = await self._services.model_call.route(self._context)
        put = Put(style_for(self._node.style, decision), self._shortened)
        room = min(target.model.context_tokens for target in decision.targets) - self._node.max_output_tokens
        put = self._conversation.fitted(self._turns, put, last=last, characters=room * _CHARACTERS_A_TOKEN)
        return await self._record.ask(len(self._turns), put)

    async def _answered(self, asked: Asked, *, last: bool) -> tuple[Asked, Answer]:
        """The answer, and the question as it was answered: with more of the old results left out, if it must be."""
        while True:
            request = self._conversation.request(self._turns, asked.put, last=last)
            try:
                answer = await answer_of_model(self._visit, request, self._context, asked.ordinal)
            except HarnessError as error:
                await self._record.unanswered(asked, type(error).__name__)
                shorter = self._conversation.shorter(self._turns, asked.put)
                if shorter is None or not isinstance(error, ContextTooLong):
                    raise
                asked = await self._record.ask(asked.step, shorter)
                continue
            await self._record.answered(asked)
            self._shortened = asked.put.shortened
            return asked, answer

    async def _taken(self, asked: Asked, answer: Answer, *, last: bool) -> Accepted | None:
        """The final answer; None where the reply is one more turn of the transcript.

        Raises:
            _Unusable: it is neither.
        """
        read = read_reply(answer.reply, asked.put.style, self._answer_schema, step=asked.step)
        match read:
            case Accepted():
                return read
            case Rejected():
                if last or not read.repairable or self._refusals >= self._node.repair:
                    raise _Unusable(AnswerInvalid(self._node.role, answer.model, read.reason))
                self._refusals += 1
                self._turns.append(RefusedTurn(answer.reply.text, read.reason))
            case Wish():
                if last:
                    steps = self._node.limits.steps
                    run_id = self._visit.run.run_id
                    raise _Unusable(LimitOfRunReached(run_id, f"limits.steps of node {self._visit.node!r}", steps))
                self._turns.append(await self._granted(asked, read))
                self._refusals = 0
        return None

    async def _granted(self, asked: Asked, wish: Wish) -> ToolTurn:
        """The turn with what came of its calls.

        Raises:
            _Unusable: the model goes round in circles, or once more nothing came of any call.
        """
        match repetition(self._turns, wish.calls):
            case Repetition.STOP:
                named = ", ".join(dict.fromkeys(call.shown for call in wish.calls))
                raise _Unusable(self._failed(f"the model asks for the same call again and again: {named}"))
            case Repetition.TELL:
                outcomes = (Outcome(ASKED_BEFORE, failed=True),) * len(wish.calls)
                return ToolTurn(wish.said, wish.calls, self._calls.told(wish.calls, outcomes), repeated=True)
            case Repetition.NONE:
                outcomes = await self._calls.outcomes(asked.ordinal, wish.calls)
        failed = all(outcome.failed for outcome in outcomes)
        if failed and self._errors >= self._node.max_tool_errors:
            turns = f"{self._errors + 1} turns in a row" if self._errors else "a turn"
            raise _Unusable(self._failed(f"no call of {turns} succeeded, at last: {outcomes[-1].text}"))
        self._errors = self._errors + 1 if failed else 0
        await self._calls.note_failures(asked.ordinal, dict(enumerate(outcomes)))
        return ToolTurn(wish.said, wish.calls, self._calls.told(wish.calls, outcomes))

    def _failed(self, reason: str) -> NodeFailed:
        shown = visible_text(reason)
        cut = shown if len(shown) <= _MOST_REASON else f"{shown[:_MOST_REASON]}..."
        return NodeFailed(self._visit.run.run_id, self._visit.node, cut)
