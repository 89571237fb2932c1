"""An agent node: a loop of a model and tools until a final answer, bounded by steps, money and time.

The loop itself is in `loop.py`; here are its node's files and its bounds.
"""

import asyncio
from decimal import Decimal

from harness.budgets.limits import ScopeKind
from harness.exceptions import BudgetExceeded, LimitOfRunReached
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import output_schema
from harness.workflow.node_kinds import AgentNode
from harness.workflow.nodes.agent.loop import AgentLoop
from harness.workflow.nodes.agent.record import LoopRecord
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.prompts import Prompt, render_prompt


class AgentNodeRunner:
    """Runs the loop for one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: AgentNode) -> None:
        self.name = name
        self.node = node
        self._answer_schema: JsonObject | None = output_schema(loaded, name, node)
        self._caller = ToolCaller()
        self._prompt = loaded.files[node.prompt]
        self._system = loaded.files[node.system] if node.system else None

    def prompt(self, visit: Visit) -> Prompt:
        """What is asked, for the values of this visit."""
        return render_prompt(
            self._prompt,
            visit.values,
            system=self._system,
            documents=self.node.documents,
            max_characters=self.node.max_characters,
        )

    async def run(self, visit: Visit) -> Json:
        """The final answer: text, or the validated value.

        Raises:
            LimitOfRunReached: of the node's steps, seconds or dollars.
            AnswerInvalid: the final answer stays outside its schema.
            NodeFailed: too many calls failed in a row, or the model asks for the same call again and again.
            WaitsForPerson: a call needs somebody's answer; what came before it is recorded.
            HarnessError: what the metered call raises, or what a tool raises that the model cannot mend.
        """
        limits, run = self.node.limits, visit.run
        if limits.usd is not None:
            await visit.services.limits.cap(visit.path, Decimal(str(limits.usd)))
        bound = asyncio.timeout(limits.seconds)
        try:
            async with bound:
                return await self._answer(visit)
        except TimeoutError as error:
            if not bound.expired():
                raise  # a tool's own
            raise LimitOfRunReached(run.run_id, f"limits.seconds of node {self.name!r}", limits.seconds) from error
        except BudgetExceeded as error:
            # While a call that a dead process left open holds money, waiting helps; then it is a budget like others.
            if limits.usd is None or error.busy or error.scope != f"{ScopeKind.NODE}:{run.run_id}/{visit.path}":
                raise
            raise LimitOfRunReached(run.run_id, f"limits.usd of node {self.name!r}", limits.usd) from error

    async def _answer(self, visit: Visit) -> Json:
        loop = AgentLoop(
            self.node,
            self.prompt(visit),
            self._answer_schema,
            visit=visit,
            caller=self._caller,
            record=await LoopRecord.read(visit.services.journal, visit.path),
        )
        return await loop.run()
