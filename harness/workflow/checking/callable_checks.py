"""What must hold of tool and code nodes: registered names, arguments that point at something and that there are."""

from harness.tools.declarations import ToolDeclaration
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
    if isinstance(node, CodeNode):
        if node.code not in registry.code:
            problems.add((*path, "code"), _not_registered(node, node.code, registry))
    else:
        declared = registry.tool(node.tool)
        if declared is None:
            problems.add((*path, "tool"), _not_registered(node, node.tool, registry))
        else:
            _check_tool(name, node, declared, problems)
    for argument, value in node.arguments.items():
        if isinstance(value, dict) and value.keys() == {"from"}:
            source = value["from"]
            place = (*path, "arguments", argument, "from")
            if isinstance(source, str):
                check_reference(spec, node, source, place, problems)
            else:
                problems.add(place, "names a state key or a field of the item: write it as text")


def _not_registered(node: ToolNode | CodeNode, called: str, registry: Registry) -> str:
    """Words for a name that is not there, or that is there under the other kind."""
    if isinstance(node, ToolNode):
        known, other, has = registry.tool_names(), "code", called in registry.code
    else:
        known, other, has = tuple(registry.code), "tools", registry.tool(called) is not None
    if has:
        return f"{called!r} is registered under `{other}` in harness.yaml: register it under `{_block(node)}`"
    return f"{unknown(node.kind, called, known)} (tools and code are registered in harness.yaml)"


def _block(node: ToolNode | CodeNode) -> str:
    return "tools" if isinstance(node, ToolNode) else "code"


def _check_tool(name: str, node: ToolNode, declared: ToolDeclaration, problems: Problems) -> None:
    """Note what is wrong with how a registered tool is used, as far as is declared of it."""
    path = ("nodes", name)
    if node.cache is not None and declared.effect:
        reason = f"{node.tool!r} has an effect, and a result from the cache would stand for one that was not made"
        problems.add((*path, "cache"), f"{reason}: remove `cache`")
    if declared.parameters is not None:
        for argument in node.arguments:
            if argument not in declared.parameters:
                reason = unknown("argument", argument, sorted(declared.parameters))
                problems.add((*path, "arguments", argument), f"{reason} (of the tool {node.tool!r})")
    missing = sorted(declared.required - node.arguments.keys())
    if missing:
        reason = f"the tool {node.tool!r} needs {', '.join(map(repr, missing))} too: add it under `arguments`"
        problems.add((*path, "arguments"), reason)
