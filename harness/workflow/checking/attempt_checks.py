"""What must hold of how a node is tried: which errors again, what answers instead, what may come from the cache."""

import re

import harness.exceptions
from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.model_checks import IsBound, check_role
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_output_type
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import (
    AgentNode,
    BranchNode,
    CodeNode,
    ModelNode,
    PlanNode,
    RememberNode,
    ToolNode,
    WorkNode,
)
from harness.workflow.nodes.retrying import NEVER_NAMED
from harness.workflow.spec import WorkflowSpec
from harness.workflow.value_types import type_of

_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ERRORS = tuple(harness.exceptions.__all__)
_NO_FAILURES = frozenset(kind.__name__ for kind in NEVER_NAMED)


def check_attempts(
    loaded: LoadedWorkflow, name: str, node: WorkNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one node's `retry`, `fallback` and `cache`."""
    if isinstance(node, BranchNode):
        return
    _check_retry(name, node, problems)
    _check_fallback(loaded, name, node, is_bound, problems)
    if node.cache is not None:
        reason = _never_cached(node, registry)
        if reason is not None:
            problems.add(("nodes", name, "cache"), f"{reason}: remove it")


def _check_retry(name: str, node: WorkNode, problems: Problems) -> None:
    assert not isinstance(node, BranchNode)
    for place, error in enumerate(node.retry.on):
        path = ("nodes", name, "retry", "on", place)
        if error in _NO_FAILURES:
            problems.add(path, f"{error!r} is no failure of the node, and is never tried again: remove it")
        elif isinstance(node, CodeNode):
            if not _CLASS_NAME.fullmatch(error):
                problems.add(path, f"{error!r} is no name of a class: write it without its module")
        elif error not in _ERRORS:
            hint = "; what a tool raises comes as ToolFailed" if isinstance(node, ToolNode | AgentNode) else ""
            problems.add(path, unknown("error", error, _ERRORS) + hint)


def _check_fallback(loaded: LoadedWorkflow, name: str, node: WorkNode, is_bound: IsBound, problems: Problems) -> None:
    assert not isinstance(node, BranchNode)
    if node.fallback is None:
        return
    path = ("nodes", name, "fallback")
    if node.fallback.role is None:
        _check_fallback_value(loaded.spec, name, node, problems)
    elif isinstance(node, ModelNode | AgentNode):
        check_role(loaded, name, node.fallback.role, (*path, "role"), is_bound, problems)
    else:
        problems.add((*path, "role"), f"a {node.kind} node asks no other role: give a `value` that is taken instead")


def _check_fallback_value(spec: WorkflowSpec, name: str, node: WorkNode, problems: Problems) -> None:
    """The value stands where the result would: in one key, or by name in several."""
    assert not isinstance(node, BranchNode)
    assert node.fallback is not None
    path, value = ("nodes", name, "fallback", "value"), node.fallback.value
    if isinstance(node.output, tuple):
        missing = [key for key in node.output if not isinstance(value, dict) or key not in value]
        if missing:
            problems.add(path, f"stands for a result with several outputs: a mapping that has {', '.join(missing)} too")
    elif node.output is not None and node.for_each is None and value is not None:
        check_output_type(spec, node.output, (type_of(value),), path, "is what answers instead", problems)


def _never_cached(node: WorkNode, registry: Registry) -> str | None:
    """Why a node's results may not be taken from an earlier run, where that is known; tool and human nodes say it."""
    match node:
        case RememberNode():
            return "what is remembered must be written each time"
        case AgentNode():
            tools = node.tools
        case PlanNode():
            tools = tuple(worker.tool for worker in node.workers.values() if worker.tool is not None)
        case _:
            return None
    declared = [registry.tool(tool) for tool in tools]
    effects = [each.name for each in declared if each is not None and each.effect]
    return f"the effect of {effects[0]!r} must be made each time" if effects else None
