"""What must hold of how a node is tried: which errors again, what answers instead, what may come from the cache."""

import re
from collections.abc import Sequence

import harness.exceptions
from harness.tools.tool import Approval
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
    RecallNode,
    RememberNode,
    ToolNode,
    WorkflowNode,
    WorkNode,
)
from harness.workflow.node_options import CacheScope
from harness.workflow.nodes.retrying import NEVER_NAMED
from harness.workflow.spec import WorkflowSpec
from harness.workflow.value_types import type_of

_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ERRORS = tuple(harness.exceptions.__all__)
# From the narrowest.
_WIDTHS = (CacheScope.PERSON, CacheScope.TEAM, CacheScope.ORGANISATION)
_NO_FAILURES = frozenset(kind.__name__ for kind in NEVER_NAMED)


def check_attempts(
    loaded: LoadedWorkflow, name: str, node: WorkNode, *, registry: Registry, is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one node's `retry`, `fallback` and `cache`."""
    if isinstance(node, BranchNode):
        return
    _check_retry(name, node, problems)
    _check_fallback(loaded, name, node, is_bound, problems)
    if isinstance(node, AgentNode) and node.fallback is not None and node.fallback.role is not None:
        _check_no_effect_twice(name, node, registry, problems)
    if node.cache is not None:
        reason = _never_cached(node, registry)
        if reason is not None:
            mends = "narrow its `scope`, or remove it" if isinstance(node, RecallNode) else "remove it"
            problems.add(("nodes", name, "cache"), f"{reason}: {mends}")


def _check_retry(name: str, node: WorkNode, problems: Problems) -> None:
    assert not isinstance(node, BranchNode)
    for place, error in enumerate(node.retry.on):
        path = ("nodes", name, "retry", "on", place)
        if error in _NO_FAILURES:
            problems.add(path, f"{error!r} is never tried again: remove it")
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


def _check_no_effect_twice(name: str, node: AgentNode, registry: Registry, problems: Problems) -> None:
    """Another role begins anew, and would make the effects once more that the first one made before it failed."""
    for tool in node.tools:
        declared = registry.tool(tool)
        if declared is None:
            continue  # that it is not registered is said elsewhere
        if declared.effect:
            reason = f"would begin anew and make the effect of {tool!r} once more"
        elif tool not in registry.tools:
            reason = f"would begin anew, and what {tool!r} of an MCP server changes is not known"
        else:
            continue
        problems.add(("nodes", name, "fallback", "role"), f"{reason}: give a `value`, or a fallback in bindings.yaml")
        return


def _never_cached(node: WorkNode, registry: Registry) -> str | None:  # noqa: PLR0911 - one a kind
    """Why a node's results may not be taken from an earlier run, where that is known; a human node says it itself."""
    match node:
        case RememberNode():
            return "what is remembered must be written each time"
        case WorkflowNode():
            return "the steps of another workflow must be made each time"
        case RecallNode():
            return _seen_too_widely(node)
        case ToolNode():
            return _needs_each_call((node.tool,), registry, effects=False)  # those are `callable_checks`' to say
        case AgentNode():
            return _needs_each_call(node.tools, registry)
        case PlanNode():
            return _of_plan(node, registry)
        case _:
            return None


def _of_plan(node: PlanNode, registry: Registry) -> str | None:
    if node.approval:
        return "a person sees each plan before it runs"
    workflows = [worker.workflow for worker in node.workers.values() if worker.workflow is not None]
    if workflows:
        return f"the steps of the workflow {workflows[0]!r} must be made each time"
    return _needs_each_call([worker.tool for worker in node.workers.values() if worker.tool is not None], registry)


def _needs_each_call(tools: Sequence[str], registry: Registry, *, effects: bool = True) -> str | None:
    declared = [each for each in map(registry.tool, tools) if each is not None]
    for each in declared:
        if effects and each.effect:
            return f"the effect of {each.name!r} must be made each time"
        if each.approval is Approval.ALWAYS:
            return f"a person sees each call of {each.name!r}"
    return None


def _seen_too_widely(node: RecallNode) -> str | None:
    """What is one person's or one team's to see is not kept for more of them."""
    assert node.cache is not None
    level, scope = CacheScope(node.scope.level), node.cache.scope
    if _WIDTHS.index(scope) <= _WIDTHS.index(level):
        return None
    return f"what is recalled is seen by the {level.value}, and would be kept for the {scope.value}"
