"""What the steps of a plan use: a role with its prompt, a tool, another workflow; each called with checked inputs.

Inputs are held to their schemas once more when a step is called, because what they point at was not known when the
plan was checked; files are looked at then, links followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.exceptions import CallableRefused, HarnessError
from harness.json_values import Json, JsonObject, digest_of
from harness.workflow.answers import value_problem
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import ModelNode, PlanNode, Worker
from harness.workflow.nodes.agent.tools import shown_tools
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.plan.plan import Plan, PlanStep, WorkerShape, dependencies, input_problem, worker_shape
from harness.workflow.nodes.plan.values import leaves_folder, paths_in, references, resolved
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.origins import Origin, is_typed, origin_of_tool


class PlanWorkers:
    """The workers of one plan node of one workflow."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: PlanNode) -> None:
        self._loaded = loaded
        self._name = name
        self._node = node
        self._caller = ToolCaller()

    async def shapes(self, visit: Visit) -> dict[str, WorkerShape]:
        """What each worker takes and yields; servers of tools are reached here.

        Raises:
            NameUnknown, ToolFailed, ToolChanged: a tool cannot be had.
        """
        return {name: await self.shape(name, visit) for name in self._node.workers}

    async def shape(self, name: str, visit: Visit) -> WorkerShape:
        """What one worker takes and yields."""
        worker = self._node.workers[name]
        if worker.tool is None:
            return worker_shape(worker)
        (tool,) = await shown_tools(visit.services.toolbox, [worker.tool])
        return worker_shape(worker, tool.parameters)

    def inputs(self, step: PlanStep, *, passed: Mapping[str, Json], results: Mapping[str, Json]) -> JsonObject:
        """What a step is given: its references followed, what it leaves out taken from the defaults.

        Raises:
            NameUnknown: a reference to a field that is not there.
        """
        declared = self._node.workers[step.worker].inputs
        defaults = {name: schema["default"] for name, schema in declared.items() if "default" in schema}
        given = {name: resolved(value, passed=passed, results=results) for name, value in step.inputs.items()}
        return {**defaults, **given}

    async def origin(self, name: str, visit: Visit) -> Origin:
        """What a worker can bring in; of what cannot be asked now, and of another workflow, the worst."""
        worker = self._node.workers[name]
        if worker.workflow is not None:
            return Origin(untrusted=True, private=True, trust="inferred", sources=(worker.workflow,))
        tool = worker.tool
        if tool is None:
            return Origin(bool(worker.documents), trust="inferred", sources=worker.documents)
        try:
            spec = (await visit.services.toolbox.tool(tool)).spec
        except HarnessError:
            return origin_of_tool(tool, trusted=False, private=True)
        return origin_of_tool(tool, trusted=spec.trusted, private=spec.private)

    def shown(self, plan: Plan) -> JsonObject:
        """A plan as a person approves it: each step with what it really uses and is given."""
        waits = dependencies(plan)
        return {"steps": [self._shown(step, waits[step.id]) for step in plan]}

    def _shown(self, step: PlanStep, waits: Sequence[str]) -> JsonObject:
        worker = self._node.workers[step.worker]
        ways = {"role": worker.role, "tool": worker.tool, "workflow": worker.workflow}
        uses: JsonObject = {way: name for way, name in ways.items() if name is not None}
        return {"id": step.id, "worker": step.worker, "uses": uses, "inputs": step.inputs, "after": list(waits)}

    def digest(self, step: PlanStep, inputs: JsonObject) -> str:
        """What a step's result answers: the worker as it is written, and what it is given."""
        worker = self._node.workers[step.worker]
        files = [self._loaded.files[each] for each in (worker.prompt, worker.system) if each is not None]
        return digest_of({"worker": worker.model_dump(mode="json"), "files": files, "inputs": inputs})

    async def call(self, step: PlanStep, inputs: JsonObject, visit: Visit) -> Json:
        """What a step yields; `visit` is at the step's own path.

        Raises:
            CallableRefused: inputs that are outside their schemas or name files outside the working folder, and a
                result that is not what the worker yields.
            HarnessError: what the worker failed or waits with.
        """
        shape = await self.shape(step.worker, visit)
        _require_inputs(step, inputs, shape, visit)
        worker = self._node.workers[step.worker]
        if worker.role is not None:
            visit.carried.add(await self.origin(step.worker, visit))
            return await self._asked(step, worker, inputs, shape, visit)
        result = await (self._of_tool if worker.tool is not None else self._of_workflow)(worker, inputs, visit)
        reason = value_problem(result, shape.output) if shape.output else None
        if reason is not None:
            raise CallableRefused(step.worker, "output", f"it was called, but what it yielded does not fit: {reason}")
        return result

    async def _asked(
        self, step: PlanStep, worker: Worker, inputs: JsonObject, shape: WorkerShape, visit: Visit
    ) -> Json:
        """A role's answer. What comes from outside or from another step is data, whatever the prompt does with it."""
        pointed = (
            name for name, value in step.inputs.items() if references(value) and not is_typed(shape.inputs[name])
        )
        node = ModelNode.model_validate(
            {
                "kind": "model",
                "role": worker.role,
                "prompt": worker.prompt,
                "system": worker.system,
                "schema": worker.output,
                "documents": tuple(dict.fromkeys((*worker.documents, *pointed))),
                "max_characters": worker.max_characters,
                "max_output_tokens": worker.max_output_tokens,
                "output": "output",
            }
        )
        return await ModelNodeRunner(self._loaded, self._name, node).run(replace(visit, values=inputs))

    async def _of_tool(self, worker: Worker, inputs: JsonObject, visit: Visit) -> Json:
        assert worker.tool is not None
        return await self._caller.call(
            worker.tool, inputs, visit=visit, path=f"{visit.path}/tool", made_of=visit.carried.given
        )

    async def _of_workflow(self, worker: Worker, inputs: JsonObject, visit: Visit) -> Json:
        assert worker.workflow is not None
        state = await visit.services.children.run(
            worker.workflow,
            inputs,
            node=visit.node,
            path=visit.path,
            task_id=visit.task_id,
            carried=visit.carried,
        )
        missing = [key for key in worker.outputs if key not in state]
        if missing:
            raise CallableRefused(worker.workflow, missing[0], "it has no such state key: mend `outputs`")
        return {key: state[key] for key in worker.outputs} if worker.outputs else state


def _require_inputs(step: PlanStep, inputs: JsonObject, shape: WorkerShape, visit: Visit) -> None:
    for name, value in inputs.items():
        schema = shape.inputs.get(name, {})
        reason = input_problem(value, schema)
        for path in paths_in(value, schema):
            reason = reason or leaves_folder(path, visit.run.working_folder)
        if reason:
            raise CallableRefused(step.worker, name, reason)
