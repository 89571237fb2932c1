"""What must hold of tool and code nodes: registered names, arguments that point at something."""

from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_reference
from harness.workflow.checking.registry import Registry
from harness.workflow.node_kinds import CodeNode, ToolNode
from harness.workflow.spec import WorkflowSpec


def check_callable(
    spec: WorkflowSpec, name: str, node: ToolNode | CodeNode, registry: Registry, problems: Problems
) -> None:
    """Note what is wrong with one."""
    path = ("nodes", name)
    called = node.tool if isinstance(node, ToolNode) else node.code
    known = registry.tool_names() if isinstance(node, ToolNode) else registry.code
    if registry.tool(called) is None if isinstance(node, ToolNode) else called not in registry.code:
        reason = f"{unknown(node.kind, called, known)} (tools and code are registered in harness.yaml)"
        problems.add((*path, node.kind), reason)
    for argument, value in node.arguments.items():
        if isinstance(value, dict) and value.keys() == {"from"}:
            source = value["from"]
            place = (*path, "arguments", argument, "from")
            if isinstance(source, str):
                check_reference(spec, node, source, place, problems)
            else:
                problems.add(place, "names a state key or a field of the item: write it as text")
