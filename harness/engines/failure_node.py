"""The node that a workflow names in `on_error`: run when its run has failed for good, to tell somebody or to undo."""

from typing import cast

from harness.engines.run_orders import origin_of_all
from harness.exceptions import HarnessError
from harness.json_values import JsonObject, digest_of
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_runner import NodeRunner
from harness.workflow.nodes.node_services import RunContext
from harness.workflow.nodes.step_journal import StepStatus
from harness.workflow.origins import ORIGINS
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
        # The message may tell of anything that the run had before it.
        known = cast("JsonObject", state[ORIGINS])
        given[ORIGINS] = {**known, ERROR_KEY: origin_of_all(state).to_json()}
    await NodeRunner(loaded, name).run(given, context)
    await journal.finish(path, digest, None)
