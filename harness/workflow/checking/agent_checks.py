"""What must hold of an agent node: a role that is bound, prompts that can be filled in, tools that there are."""

from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.model_checks import IsBound, check_answer, check_prompts, check_role
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import AgentNode


def check_agent(
    loaded: LoadedWorkflow, name: str, node: AgentNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one."""
    path = ("nodes", name)
    check_role(loaded, name, node.role, (*path, "role"), is_bound, problems)
    check_prompts(loaded, name, node, problems)
    check_answer(loaded, name, node, problems)
    _check_tools(name, node, registry, problems)
    if node.limits.steps == 1:
        reason = "the last step is told to answer, so that one step leaves none for a tool"
        problems.add((*path, "limits", "steps"), f"{reason}: set 2 or more, or use a `model` node")


def _check_tools(name: str, node: AgentNode, registry: Registry, problems: Problems) -> None:
    path = ("nodes", name, "tools")
    if not node.tools:
        key = path if "tools" in node.model_fields_set else path[:2]
        problems.add(key, "an agent without tools only answers: name some in `tools`, or use a `model` node")
    for place, tool in enumerate(node.tools):
        if tool in node.tools[:place]:
            problems.add((*path, place), f"{tool!r} stands twice: remove one")
        elif registry.tool(tool) is None:
            problems.add((*path, place), _not_registered(tool, registry))


def _not_registered(tool: str, registry: Registry) -> str:
    """Words for a tool that is not there, or that is there as something else."""
    if tool in registry.servers:
        return f"{tool!r} is a server: name its tools one by one, as `{tool}.TOOL`"
    if tool in registry.code:
        return f"{tool!r} is registered under `code` in harness.yaml: register it under `tools`"
    return f"{unknown('tool', tool, registry.tool_names())} (tools are registered in harness.yaml)"
