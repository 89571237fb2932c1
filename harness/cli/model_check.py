"""Whether a model answers: a few words to each endpoint that serves it, held and charged as any other call."""

import secrets
import time
from dataclasses import dataclass, replace
from decimal import Decimal

from harness.assembly import Harness, utc_now
from harness.cli.exit_codes import ExitCode, exit_code_of
from harness.cli.forecast import bindings_in_force
from harness.exceptions import HarnessError, NameUnknown
from harness.ledger.entries import CallContext
from harness.ledger.tasks import Task
from harness.models.catalogue import Capability
from harness.models.embeddings import EmbeddingRequest
from harness.models.messages import ModelRequest, user
from harness.models.usage import Usage
from harness.routing.bindings import Binding
from harness.routing.decided_router import DecidedRouter
from harness.routing.decision import Decision, Target, decide

_ROLE = "model_check"
_WORDS = "Say: ready."
# Enough that a model which thinks before it speaks comes to speak.
_OUTPUT_TOKENS = 512
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class ModelChecked:
    """What one endpoint did.

    Args:
        answered: else nothing came, or nothing was sent: no price is known, a budget is spent, a setting is wrong.
        cost_usd: None where it failed; what may have been billed then is charged at its bound.
        says: the beginning of the answer, or what went wrong and what would mend it.
        exit_code: that a command ends with by this alone.
    """

    model: str
    endpoint: str
    wire_name: str
    answered: bool
    seconds: float
    cost_usd: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    says: str
    exit_code: ExitCode


async def checked_model(harness: Harness, name: str, endpoint: str | None) -> list[ModelChecked]:
    """Ask a model at each of its endpoints, or at one; what goes wrong at one of them is said of that one.

    Raises:
        NameUnknown: there is no such model, or it is not served there.
    """
    current = await bindings_in_force(harness)
    catalogue = current.bindings.catalogue(harness.catalogue)
    decision = decide(Binding(role=_ROLE, model=name), catalogue, version=current.version)
    places = [target for target in decision.targets if target.model_name == name]
    asked = [target for target in places if endpoint in (None, target.endpoint_name)]
    if not asked:
        raise NameUnknown(f"endpoint of {name!r}:", str(endpoint), [target.endpoint_name for target in places])
    return [await _checked(harness, target, replace(decision, targets=(target,))) for target in asked]


async def _checked(harness: Harness, target: Target, decision: Decision) -> ModelChecked:
    task = _new_task(harness)
    await harness.money.start_task(task)
    context = CallContext(
        organisation=task.organisation, person=task.person, task_id=task.task_id, role=_ROLE, path=target.endpoint_name
    )
    began = time.monotonic()
    usage: Usage | None = None
    cost: Decimal | None = None
    code = ExitCode.DONE
    try:
        usage, cost, says = await _asked(harness, target, DecidedRouter(decision), context)
    except HarnessError as error:
        says, code = str(error), exit_code_of(error)
    finally:
        ended = replace(task, success=usage is not None, evidence="whether an answer came", ended_at=utc_now())
        await harness.money.end_task(ended)
    return ModelChecked(
        model=target.model_name,
        endpoint=target.endpoint_name,
        wire_name=target.model.wire_name,
        answered=usage is not None,
        seconds=round(time.monotonic() - began, 3),
        cost_usd=cost,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        says=says,
        exit_code=code,
    )


async def _asked(
    harness: Harness, target: Target, router: DecidedRouter, context: CallContext
) -> tuple[Usage, Decimal, str]:
    """What it used and cost, and what it says."""
    if Capability.EMBEDDINGS in target.model.capabilities:
        embedded = await harness.embedding_call.of_router(router).embed(EmbeddingRequest(texts=(_WORDS,)), context)
        width = len(embedded.reply.vectors[0])
        return embedded.reply.usage, embedded.cost_usd, f"a vector of {width} dimensions"
    request = ModelRequest(messages=(user(_WORDS),), max_output_tokens=_OUTPUT_TOKENS)
    answer = await harness.model_call.of_router(router).ask(request, context)
    words = answer.reply.text or f"nothing ({answer.reply.stop})"
    return answer.reply.usage, answer.cost_usd, words if len(words) <= _SHOWN else words[: _SHOWN - 3] + "..."


def _new_task(harness: Harness) -> Task:
    return Task(
        task_id=f"{_ROLE}-{secrets.token_hex(8)}",
        organisation=harness.organisation,
        person=harness.settings.person,
        kind=_ROLE,
        key="",
        run_id=None,
        workflow=None,
        parent_id=None,
        started_at=utc_now(),
    )
