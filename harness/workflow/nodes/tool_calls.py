"""One call of a tool as a part of a run: fitting arguments, a person's word where it is wanted, one effect, one record.

Tool nodes, agents and plans call through here and through nothing else. A result is recorded before anything goes on,
and what is recorded is not called for again. An effect that began and is not known to have ended is repeated under
the same idempotency key. How a tool is reached is left to `harness.tools`, how a person is asked to
`asking_people.py`, what a value carries to `origins.py`.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from harness.exceptions import Confined, HarnessError, ToolArgumentsRefused, ToolError, ToolFailed
from harness.json_values import Json, JsonObject, canonical_json, digest_of, plain_json
from harness.tools.bounded_call import bounded_call
from harness.tools.tool import Approval, Tool, ToolCall, ToolSpec
from harness.workflow.answers import schema_problem, value_problem
from harness.workflow.events import ToolAnswered, ToolCalled
from harness.workflow.nodes.asking_people import answer_of_person
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.questions import APPROVAL_SCHEMA, QuestionKind
from harness.workflow.nodes.step_journal import RecordedStep, StepStatus
from harness.workflow.origins import Origin, is_typed, origin_of_tool

STEP_KIND = "tool"
_MOST_ERROR = 500


class ToolCaller:
    """Calls registered tools for the nodes of a workflow."""

    async def call(
        self,
        tool_name: str,
        arguments: JsonObject,
        *,
        visit: Visit,
        path: str,
        approval: bool = False,
        shows: JsonObject | None = None,
        made_of: Origin | None = None,
    ) -> Json:
        """The tool's result, recorded under the path.

        Args:
            path: of this call within the run, unique in it; with the run's id it is the idempotency key.
            approval: a person must see this call, whatever the tool says of itself.
            shows: what that person sees beside the tool and its arguments.
            made_of: what its arguments carry, where nothing that the visit read since had a part in them; else it is
                all that the visit has read by now.

        Raises:
            NameUnknown, SpecificationInvalid, ToolChanged: the tool is not there or may not be used.
            ToolArgumentsRefused: arguments outside its schema; it was not called.
            Confined: it would carry private data out at a stranger's word; it was not called.
            ToolFailed: it failed, or a person declined; `retryable` says whether trying again can help.
            WaitsForPerson: it is to be approved first.
        """
        given = {key: plain_json(value, where=key) for key, value in arguments.items()}
        digest = digest_of({"tool": tool_name, "arguments": given})
        recorded = [step for step in await visit.services.journal.steps(path) if step.path == path]
        done = next((step for step in recorded if step.digest == digest and step.status is StepStatus.DONE), None)
        if done is not None:
            return await _replayed(tool_name, done, visit)
        tool = await visit.services.toolbox.tool(tool_name)
        _require_fitting(tool.spec, given)
        _require_one_effect(tool.spec, digest, recorded)
        wanted = approval or tool.spec.approval is Approval.ALWAYS
        if wanted:
            await _require_approval(tool.spec, given, shows or {}, replace(visit, path=path))
        else:
            _require_unconfined(tool.spec, visit, made_of or visit.carried.origin)
        return await _once(tool, given, digest, visit, path)


async def _once(tool: Tool, arguments: JsonObject, digest: str, visit: Visit, path: str) -> Json:
    """Call and record; what was recorded meanwhile is taken as it is."""
    spec, services = tool.spec, visit.services
    step = await services.journal.begin(path, STEP_KIND, digest, durable=spec.effect)
    if step.status is StepStatus.DONE:
        return await _replayed(spec.name, step, visit)
    services.on_event(ToolCalled(visit.node, path, spec.name, digest, spec.effect))
    began = services.monotonic()
    call = ToolCall(
        arguments=arguments,
        idempotency_key=f"{visit.run.run_id}/{path}",
        organisation=visit.run.organisation,
        person=visit.run.person,
        run_id=visit.run.run_id,
        context=visit.context(),
    )
    try:
        result, size = await bounded_call(tool, call)
    except ToolError as error:
        visit.carried.add(_origin(spec))  # what it failed with is its server's words
        reason = str(error)[:_MOST_ERROR]
        await services.journal.fail(path, digest, reason)
        seconds = services.monotonic() - began
        services.on_event(ToolAnswered(visit.node, path, spec.name, seconds, None, reason, replayed=False))
        raise
    await services.journal.finish(path, digest, result)
    visit.carried.add(_origin(spec))
    seconds = services.monotonic() - began
    services.on_event(ToolAnswered(visit.node, path, spec.name, seconds, size, None, replayed=False))
    return result


async def _replayed(tool_name: str, step: RecordedStep, visit: Visit) -> Json:
    """A result that was recorded earlier; the tool is looked at for what its results carry, and is not called."""
    try:
        spec = (await visit.services.toolbox.tool(tool_name)).spec
    except HarnessError:
        # It cannot be reached now; what nothing is known of is from outside, and private.
        visit.carried.add(origin_of_tool(tool_name, trusted=False, private=True))
    else:
        visit.carried.add(origin_of_tool(tool_name, trusted=spec.trusted, private=spec.private))
    size = len(canonical_json(step.result).encode("utf-8", "replace"))
    visit.services.on_event(ToolAnswered(visit.node, step.path, tool_name, 0.0, size, None, replayed=True))
    return step.result


def _origin(spec: ToolSpec) -> Origin:
    return origin_of_tool(spec.name, trusted=spec.trusted, private=spec.private)


def _require_fitting(spec: ToolSpec, arguments: JsonObject) -> None:
    """Let only arguments inside the tool's schema pass."""
    unusable = _schema_problem(canonical_json(spec.parameters))
    if unusable is not None:
        raise ToolFailed(spec.name, f"the schema of its arguments cannot be used: {unusable}")
    reason = value_problem(arguments, spec.parameters)
    if reason is not None:
        raise ToolArgumentsRefused(spec.name, f"its arguments do not fit its schema: {reason}")


@lru_cache(maxsize=256)
def _schema_problem(schema: str) -> str | None:
    problem = schema_problem(json.loads(schema))
    return None if problem is None else f"{'.'.join(map(str, problem.path)) or '$'}: {problem.reason}"


def _require_one_effect(spec: ToolSpec, digest: str, recorded: Sequence[RecordedStep]) -> None:
    """Refuse a second effect under the key of a first: a service would take it for the first, or for another one."""
    for step in recorded if spec.effect else ():
        if step.digest != digest and step.kind == STEP_KIND and step.status is not StepStatus.FAILED:
            how = "took effect" if step.status is StepStatus.DONE else "began, and is not known to have ended,"
            reason = f"a call with other arguments {how} at this place of the run: start another run, or fork this one"
            raise ToolFailed(spec.name, reason)


def _require_unconfined(spec: ToolSpec, visit: Visit, carried: Origin) -> None:
    """Refuse a call that could carry private data out of the house at the word of a text from outside."""
    if not carried.confined or not (spec.outward or spec.effect) or is_typed(spec.parameters):
        return
    made_of = ", ".join(carried.sources)
    reason = f"what it would be given is made of private data and of text from outside ({made_of}): a person decides"
    raise Confined(visit.node, spec.name, reason)


async def _require_approval(spec: ToolSpec, arguments: JsonObject, beside: JsonObject, visit: Visit) -> None:
    """Let only a call pass that a person saw as it will be made."""
    changes = ", which changes something in the world" if spec.effect else ""
    shows: JsonObject = {
        **beside,
        "tool": spec.name,
        "description": spec.description,
        "effect": spec.effect,
        "arguments": arguments,
    }
    text = f"Node {visit.node!r} wants to call the tool {spec.name!r}{changes}."
    answer = await answer_of_person(visit, QuestionKind.TOOL_CALL, text, shows, APPROVAL_SCHEMA)
    if not isinstance(answer, dict) or answer.get("approved") is not True:
        comment = answer.get("comment") if isinstance(answer, dict) else None
        raise ToolFailed(spec.name, f"a person declined{f': {comment}' if comment else ''}")
