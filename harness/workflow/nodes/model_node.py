"""A model node: prompt in, text or a validated value out, through the one metered call."""

from collections.abc import Iterator, Mapping
from itertools import count

from harness.exceptions import AnswerInvalid
from harness.json_values import Json, JsonObject
from harness.ledger.entries import CallContext
from harness.model_call import Answer
from harness.models.messages import (
    Message,
    ModelRequest,
    OutputSchema,
    RefusalPart,
    StopReason,
    assistant,
    system,
    user,
)
from harness.workflow.answers import Accepted, Rejected, read_answer
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import examples, output_schema
from harness.workflow.node_kinds import Example, ModelNode, OnInvalid
from harness.workflow.nodes.asking_models import answer_of_model, call_context
from harness.workflow.nodes.node_services import Visit
from harness.workflow.prompts import render_prompt

_NO_ANSWER = {
    StopReason.CONTEXT: "it was cut where the model's context ended; ask for less, or bind a model with more",
    StopReason.BROKEN: "the provider broke it off",
    StopReason.PAUSE: "the provider wants to be asked again before it goes on",
    StopReason.TOOL: "it asks for a tool, and this node has none",
}


class ModelNodeRunner:
    """Asks for one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: ModelNode) -> None:
        self.name = name
        self.node = node
        self._prompt = loaded.files[node.prompt]
        self._system = loaded.files[node.system] if node.system else None
        self._examples: tuple[Example, ...] = examples(loaded, node)
        self._schema: JsonObject | None = output_schema(loaded, name, node)

    def request(self, values: Mapping[str, Json]) -> ModelRequest:
        """What is asked, for these values of the state and the item."""
        prompt = render_prompt(
            self._prompt,
            values,
            system=self._system,
            documents=self.node.documents,
            max_characters=self.node.max_characters,
        )
        messages: list[Message] = [system(prompt.system)] if prompt.system else []
        for example in self._examples:
            messages += [user(example.user), assistant(example.assistant)]
        schema = (
            OutputSchema(name=_schema_name(self.name), json_schema=self._schema) if self._schema is not None else None
        )
        return ModelRequest(
            messages=(*messages, user(prompt.user)),
            max_output_tokens=self.node.max_output_tokens,
            output_schema=schema,
            temperature=self.node.temperature,
        )

    async def run(self, visit: Visit) -> Json:
        """Ask and read the answer; one outside its schema is sent back with what is wrong with it, `repair` times.

        Answers outside the schema that an earlier try was given and failed with are not read for ever: once the journal
        has no more of them, the question is asked anew, under its next ordinals.

        Raises:
            AnswerInvalid: it stays outside the schema, and the node does not say to go on without.
            HarnessError: what the metered call raises.
        """
        context, ordinals = call_context(visit, self.node.role), count()
        while True:
            read, answer, paid = await self._asked_with_repairs(context, ordinals, visit)
            if isinstance(read, Accepted):
                return read.value
            if self.node.on_invalid is OnInvalid.NULL:
                return None
            if paid:
                raise AnswerInvalid(self.node.role, answer.model, read.reason)

    async def _asked_with_repairs(
        self, context: CallContext, ordinals: Iterator[int], visit: Visit
    ) -> tuple[Accepted | Rejected, Answer, bool]:
        """The last answer as it was read, and whether any of them was asked for now."""
        request, paid, left = self.request(visit.values), False, self.node.repair
        while True:
            answer = await answer_of_model(visit, request, context, next(ordinals))
            paid = paid or not answer.replayed
            read = self._read(answer)
            if isinstance(read, Accepted) or not (left and read.repairable):
                return read, answer, paid
            request, left = repaired(request, answer.reply.text, read.reason), left - 1

    def _read(self, answer: Answer) -> Accepted | Rejected:
        unfinished = _unfinished(answer)
        if unfinished is not None:
            return Rejected(unfinished, repairable=False)
        return read_answer(answer.reply.text, self._schema) if self._schema is not None else Accepted(answer.reply.text)


def repaired(request: ModelRequest, answer: str, reason: str) -> ModelRequest:
    """The question again, with the answer that was not taken and why."""
    told = (
        f"That answer was not accepted: {reason}\nAnswer again, with JSON that fits the schema and nothing around it."
    )
    turns: tuple[Message, ...] = (assistant(answer), user(told)) if answer else (user(told),)
    return request.model_copy(update={"messages": (*request.messages, *turns)})


def _unfinished(answer: Answer) -> str | None:
    """Why an answer is none, whatever it says: cut off, broken off, refused, blocked, or the wish for a tool."""
    reply = answer.reply
    if reply.stop is StopReason.LENGTH:
        return "it was cut at its output limit; raise the node's max_output_tokens or ask for less"
    refusal = next((part.text for part in reply.message.parts if isinstance(part, RefusalPart)), None)
    if refusal is not None or reply.stop in {StopReason.REFUSAL, StopReason.FILTER}:
        return f"the model declined: {refusal or reply.stop_raw}"
    if reply.stop in _NO_ANSWER:
        return f"{_NO_ANSWER[reply.stop]} ({reply.stop_raw})"
    return None


def _schema_name(node: str) -> str:
    """A name that every vendor takes: letters, digits, `_` and `-`."""
    return node.replace(".", "_")[:64]
