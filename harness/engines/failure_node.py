"""The node that a workflow names in `on_error`: run when its run has failed for good, to tell somebody or to undo."""

from typing import cast

from harness.engines.run_orders import origin_of_all
from harness.exceptions import HarnessError
from harness.json_values import JsonObject, digest_of
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_origins import NodeOrigins
from harness.workflow.nodes.node_runner import NodeRunner
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.nodes.step_journal import StepStatus
from harness.workflow.origins import ORIGINS, Origin, origin_of_failure
from harness.workflow.state_values import VISITS

ERROR_KEY = "error"
_STEP = "on_error"


async def run_failure_node(loaded: LoadedWorkflow, context: RunContext, state: JsonObject, error: HarnessError) -> None:
    """Run the node over the state as far as the run came, with what happened in `error`.

    The same failure is told once, also when the run is resumed and fails again in the same way; another failure is
    another visit of the node. What the node writes is not kept: the run goes on from where it failed.

    Raises:
        HarnessError: with what the node itself failed.
    """
    name = loaded.spec.on_error
    assert name is not None
    happened: JsonObject = {
        "node": context.under_way.failed_node(error) or cast("str | None", getattr(error, "node", None)),
        "error": type(error).__name__,
        "message": str(error),
    }
    journal, digest = context.services.journal, digest_of(happened)
    told = [step for step in await journal.steps(_STEP) if step.kind == _STEP]
    visit = next((place for place, step in enumerate(told) if step.digest == digest), len(told))
    path = f"{_STEP}/{visit + 1}"
    step = await journal.begin(path, _STEP, digest)
    if step.status is StepStatus.DONE:
        return
    given: JsonObject = {**state, ERROR_KEY: happened, VISITS: {name: visit}}
    if ORIGINS in state:
        known, carried = cast("JsonObject", state[ORIGINS]), await _carried(error, loaded, context, state)
        given[ORIGINS] = {**known, ERROR_KEY: carried.to_json()}
    await NodeRunner(loaded, name).run(given, context)
    await journal.finish(path, digest, None)


async def _carried(error: HarnessError, loaded: LoadedWorkflow, context: RunContext, state: JsonObject) -> Origin:
    """What the words of a failure may be made of: what its node had in hand; where that is not known, all there is."""
    of_state = origin_of_all(state).joined(Origin(untrusted=True, trust="inferred"))
    noted = origin_of_failure(error)
    if noted is not None:
        return of_state.joined(noted)
    nodes = [NodeOrigins(loaded, each) for each in loaded.spec.work]
    return of_state.joined(*[await each.at_worst(state, context.services) for each in nodes])
