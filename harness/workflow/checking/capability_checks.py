"""Whether the models that are bound can do what the nodes ask of them, as the catalogue knows them."""

from collections.abc import Callable

from harness.models.catalogue import Capability
from harness.routing.decision import Decision, Target
from harness.workflow.checking.problems import Problems
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import AgentNode, ModelNode, PlanNode, ToolStyle
from harness.workflow.nodes.agent.actions import style_for

# The targets of a node and a role of it.
Decide = Callable[[str, str], Decision]


def capability_problems(loaded: LoadedWorkflow, decided: Decide) -> list[str]:
    """What a node asks that a model bound to it cannot do, one line a problem, by the node's place."""
    problems = Problems(loaded)
    for name, node in loaded.spec.work.items():
        if isinstance(node, ModelNode | AgentNode):
            # A role that is asked instead must be able to do the same.
            instead = (node.fallback.role,) if node.fallback is not None and node.fallback.role is not None else ()
            for role in (node.role, *instead):
                _check_asking(name, node, role, decided(name, role), problems)
        elif isinstance(node, PlanNode):
            _check_plan(name, node, decided, problems)
    return problems.sorted()


def _check_asking(name: str, node: ModelNode | AgentNode, role: str, decision: Decision, problems: Problems) -> None:
    path = ("nodes", name)
    for target in decision.targets:
        if isinstance(node, AgentNode):
            _check_style(path, node, role, target, style_for(node.style, decision), problems)
        if node.output_schema is not None:
            _check_schema((*path, "schema"), role, target, problems)
        _check_room((*path, "max_output_tokens"), node.max_output_tokens, target, problems)


def _check_plan(name: str, node: PlanNode, decided: Decide, problems: Problems) -> None:
    """The planner answers by the schema of plans; a worker by its own, where it has one."""
    path = ("nodes", name)
    for target in decided(name, node.role).targets:
        _check_schema((*path, "role"), node.role, target, problems)
        _check_room((*path, "max_output_tokens"), node.max_output_tokens, target, problems)
    for worker_name, worker in node.workers.items():
        below = (*path, "workers", worker_name)
        for target in decided(name, worker.role).targets if worker.role is not None else ():
            assert worker.role is not None
            if worker.output is not None:
                _check_schema((*below, "output"), worker.role, target, problems)
            _check_room((*below, "max_output_tokens"), worker.max_output_tokens, target, problems)


def _check_style(
    path: KeyPath, node: AgentNode, role: str, target: Target, style: ToolStyle, problems: Problems
) -> None:
    """The way that the agent asks for tools is one that the model has; `style`: what `auto` comes to."""
    can = target.model.capabilities
    if style is ToolStyle.NATIVE and Capability.TOOLS not in can:
        reason = f"{target.model_name!r} is not known to call tools: set `style: json` or leave it out, bind another"
        problems.add((*path, "style"), f"{reason} model to {role!r}, or add `tools` to its `capabilities` if it can")
    if style is ToolStyle.JSON and Capability.JSON_SCHEMA not in can:
        others = "as `style: json` asks" if node.style is style else "and not every model that may answer calls tools"
        reason = f"{target.model_name!r} is not known to answer by a JSON Schema, {others}"
        key = (*path, "style") if "style" in node.model_fields_set else (*path, "role")
        problems.add(key, f"{reason}: bind another model to {role!r}, or add what it can to its `capabilities`")


def _check_schema(path: KeyPath, role: str, target: Target, problems: Problems) -> None:
    if Capability.JSON_SCHEMA not in target.model.capabilities:
        reason = f"{target.model_name!r} is not known to answer by a JSON Schema: bind another model to {role!r}"
        problems.add(path, f"{reason}, or add `json_schema` to its `capabilities` if it can")


def _check_room(path: KeyPath, max_output_tokens: int, target: Target, problems: Problems) -> None:
    context = target.model.context_tokens
    if max_output_tokens >= context:
        reason = f"leaves no room for a prompt in the context of {target.model_name!r} ({context} tokens)"
        problems.add(path, f"{reason}: ask for less")
