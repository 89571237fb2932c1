"""What must hold of the names that point into the state: keys that exist, fields of what can have some."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.problems import Problems
from harness.workflow.loading import KeyPath
from harness.workflow.spec import StateKeySpec, ValueType, WorkflowSpec
from harness.workflow.value_types import fits

_WITH_FIELDS = (ValueType.OBJECT, ValueType.ANY)


def check_key(spec: WorkflowSpec, key: str, path: KeyPath, problems: Problems) -> bool:
    """Whether a state key is declared; noted where it is not."""
    if key not in spec.state:
        problems.add(path, unknown("state key", key, spec.state))
    return key in spec.state


def check_path(spec: WorkflowSpec, name: str, path: KeyPath, problems: Problems) -> bool:
    """Whether a state key, or a field within one, can be there; noted where it cannot."""
    reason = name_problem(spec.state, name, spec.state)
    if reason:
        problems.add(path, reason)
    return reason is None


def check_output_type(
    spec: WorkflowSpec, key: str, found: tuple[str, ...], path: KeyPath, why: str, problems: Problems
) -> None:
    """Note an output that can never stand in its state key; `found`: the types that it can have."""
    declared = spec.state.get(key)
    if declared is not None and found and not any(fits(each, declared.type) for each in found):
        problems.add(path, f"{why} ({' or '.join(found)}), but the state key {key!r} is {declared.type}")


def check_reference(spec: WorkflowSpec, node: Any, name: str, path: KeyPath, problems: Problems) -> None:
    """Note a dotted name that a node reads and that cannot be there."""
    reason = reference_problem(spec, node, name)
    if reason:
        problems.add(path, reason)


def reference_problem(spec: WorkflowSpec, node: Any, name: str) -> str | None:
    """What is wrong with a dotted name that a node reads."""
    head = name.partition(".")[0]
    if node.for_each is not None and head == node.item:
        return None
    if head == node.item and head not in spec.state:
        return f"{head!r} is an item, and there is none without `for_each`"
    return name_problem(spec.state, name, [*spec.state, *([node.item] if node.for_each else [])])


def name_problem(state: Mapping[str, StateKeySpec], name: str, known: Iterable[str]) -> str | None:
    """What is wrong with a state key, or a field within one; `known`: the names that could be meant."""
    head, _, below = name.partition(".")
    if head not in state:
        return unknown("state key", head, known)
    if below and state[head].type not in _WITH_FIELDS:
        return f"{head!r} is {state[head].type} and has no field {below!r}"
    return None
