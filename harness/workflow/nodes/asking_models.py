"""How nodes ask models: who asks for what, through the one metered call, and what is heard and told of it."""

from dataclasses import replace

from harness.ledger.entries import CallContext
from harness.model_call import Answer, OnEvent
from harness.models.messages import ModelRequest, StreamEvent, TextDelta
from harness.workflow.events import CallAnswered, Words
from harness.workflow.nodes.node_services import Visit


def call_context(visit: Visit, role: str) -> CallContext:
    """Who asks a role at the place of a visit, and what it is charged to; its first question is number 0."""
    run = visit.run
    return CallContext(
        organisation=run.organisation,
        person=run.person,
        team=run.team,
        task_id=visit.task_id,
        role=role,
        path=visit.path,
        run_id=run.run_id,
        workflow=run.workflow,
        node=visit.node,
    )


async def answer_of_model(visit: Visit, request: ModelRequest, context: CallContext, ordinal: int) -> Answer:
    """The answer to the so-manieth question of a context, told as an event.

    Raises:
        HarnessError: what the metered call raises.
    """
    answer = await visit.services.model_call.ask(
        request, replace(context, ordinal=ordinal), resumed=visit.run.resumed, on_event=_listener(visit)
    )
    usage = answer.reply.usage
    visit.services.on_event(
        CallAnswered(
            visit.node, answer.model, usage.input_tokens, usage.output_tokens, answer.cost_usd, answer.replayed
        )
    )
    return answer


def _listener(visit: Visit) -> OnEvent | None:
    """Passes on the words of an answer as they arrive, where somebody listens."""
    if not visit.services.stream:
        return None

    def hear(event: StreamEvent) -> None:
        if isinstance(event, TextDelta):
            visit.services.on_event(Words(visit.node, event.text))

    return hear
