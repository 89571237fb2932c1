"""What must hold of a plan node: a bound planner, workers that exist, prompts that use what the workers are given."""

from harness.exceptions import SpecificationInvalid
from harness.workflow.answers import schema_problem, value_problem
from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.model_checks import IsBound, check_prompts, check_role
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_output_type, check_reference
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import PlanNode, Worker
from harness.workflow.nodes.plan.values import field_schema
from harness.workflow.origins import is_typed
from harness.workflow.prompts import Variable, variables


def check_plan(
    loaded: LoadedWorkflow, name: str, node: PlanNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one."""
    path: KeyPath = ("nodes", name)
    check_role(loaded, name, node.role, (*path, "role"), is_bound, problems)
    check_prompts(loaded, name, node, problems)
    for place, key in enumerate(node.passes):
        check_reference(loaded.spec, node, key, (*path, "passes", place), problems)
    if node.results is not None:
        _check_results(loaded, node, (*path, "results"), problems)
    for worker_name, worker in node.workers.items():
        below: KeyPath = (*path, "workers", worker_name)
        _check_schemas(worker, below, problems)
        if worker.role is not None:
            check_role(loaded, name, worker.role, (*below, "role"), is_bound, problems)
            _check_templates(loaded, worker, below, problems)
        else:
            _check_called(worker, below, registry, problems)


def _check_results(loaded: LoadedWorkflow, node: PlanNode, path: KeyPath, problems: Problems) -> None:
    assert node.results is not None
    if node.results == node.output:
        problems.add(path, f"{node.results!r} is the `output` too: name another state key")
    found, why = (("array",), "`for_each` makes it a list") if node.for_each else (("object",), "results by step")
    check_output_type(loaded.spec, node.results, found, path, why, problems)


def _check_schemas(worker: Worker, path: KeyPath, problems: Problems) -> None:
    """The schemas are some, and what a step may leave out has a value that fits."""
    for key, schema in worker.inputs.items():
        problem = schema_problem(schema)
        if problem is not None:
            problems.add((*path, "inputs", key, *problem.path), problem.reason)
        elif "default" in schema and (reason := value_problem(schema["default"], schema)):
            problems.add((*path, "inputs", key, "default"), f"does not fit the input it is for: {reason}")
    problem = schema_problem(worker.output) if worker.output is not None else None
    if problem is not None:
        problems.add((*path, "output", *problem.path), problem.reason)


def _check_called(worker: Worker, path: KeyPath, registry: Registry, problems: Problems) -> None:
    """A tool or a workflow: it is registered, and says nothing that only a prompt has."""
    for key in ("documents", "system"):
        if getattr(worker, key):
            problems.add((*path, key), "only a worker with a `role` has a prompt to use it in: remove it")
    if worker.workflow is not None:
        if worker.workflow not in registry.workflows:
            reason = unknown("workflow", worker.workflow, registry.workflows)
            problems.add((*path, "workflow"), f"{reason} (workflows are registered in harness.yaml)")
        return
    assert worker.tool is not None
    _check_no_outputs(worker, path, problems)
    declared = registry.tool(worker.tool)
    if declared is None:
        reason = unknown("tool", worker.tool, registry.tool_names())
        problems.add((*path, "tool"), f"{reason} (tools are registered in harness.yaml)")
    elif declared.parameters is not None:
        for key in worker.inputs:
            if key not in declared.parameters:
                reason = unknown("argument", key, declared.parameters)
                problems.add((*path, "inputs", key), f"{worker.tool!r} has {reason}")


def _check_no_outputs(worker: Worker, path: KeyPath, problems: Problems) -> None:
    if worker.outputs:
        problems.add((*path, "outputs"), "names state keys of a workflow, and this worker is none: remove it")


def _check_templates(loaded: LoadedWorkflow, worker: Worker, path: KeyPath, problems: Problems) -> None:
    """A prompt uses all inputs of its worker and nothing else; what carries words stays out of the system turn."""
    assert worker.prompt is not None
    _check_no_outputs(worker, path, problems)
    used = _variables(loaded, worker, worker.prompt, problems)
    told = _variables(loaded, worker, worker.system, problems) if worker.system is not None else []
    for each in told or []:
        schema = worker.inputs.get(each.name.partition(".")[0])
        assert worker.system is not None
        if schema is not None and not is_typed(schema):
            reason = "is text of a plan, and may not speak in the system turn: move it to the prompt"
            problems.add_lines([f"{_place(loaded, worker.system, each)}: {reason}"])
    if used is not None and told is not None:
        heads = {each.name.partition(".")[0] for each in (*used, *told)}
        for key in worker.inputs:
            if key not in heads:
                reason = f"the prompt does not use {key!r}: write `{{{{ {key} }}}}` in {worker.prompt}"
                problems.add((*path, "inputs", key), reason)
    for place, key in enumerate(worker.documents):
        if key not in worker.inputs:
            problems.add((*path, "documents", place), unknown("input", key, worker.inputs))


def _variables(loaded: LoadedWorkflow, worker: Worker, named: str, problems: Problems) -> list[Variable] | None:
    """The variables of a worker's template, each of them an input; None where it cannot be read, which is noted."""
    try:
        found = variables(loaded.files[named], name=loaded.file_place(named))
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return None
    for each in found:
        head, *fields = each.name.split(".")
        if head not in worker.inputs:
            problems.add_lines([f"{_place(loaded, named, each)}: {unknown('input', head, worker.inputs)}"])
            continue
        below = field_schema(worker.inputs[head], fields)
        if isinstance(below, str):
            problems.add_lines([f"{_place(loaded, named, each)}: {below}"])
    return found


def _place(loaded: LoadedWorkflow, named: str, variable: Variable) -> str:
    return f"{loaded.file_place(named)}:{variable.line}:{variable.column}: {variable.name}"
