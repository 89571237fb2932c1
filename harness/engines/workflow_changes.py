"""What two versions of a workflow differ in, in words, and whether a run that has begun may go on with the other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from harness.exceptions import MigrationRefused
from harness.json_values import canonical_json
from harness.workflow.joins import waiting_sources
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.spec import Condition, Edge, WorkflowSpec

_SINGLE = ("workflow", "description", "inputs", "start", "on_error", "outcome", "limits")


def spec_difference(old: LoadedWorkflow, new: LoadedWorkflow) -> list[str]:
    """What is another in the new one, a line each; empty where both mean the same."""
    if old.digest == new.digest:
        return []
    return [
        *_named("node", old.spec.nodes, new.spec.nodes),
        *_edges(old.spec, new.spec),
        *_named("state key", old.spec.state, new.spec.state),
        *_settings(old.spec, new.spec),
        *_texts("file", old.files, new.files),
        *_steps(old, new),
    ]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Args:
        finished: the nodes of all steps that are done.
        beside: those that are done in a step that is not.
        then: what runs next under the old workflow; `now` under the new.
        lost_meetings: nodes where branches meet and some have come, and which would not wait for the same ones.
    """

    finished: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    then: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    lost_meetings: tuple[str, ...] = ()


def require_migratable(run_id: str, old: LoadedWorkflow, new: LoadedWorkflow, progress: Progress) -> None:
    """Let a run go over to another workflow only where it stays the run it was.

    Raises:
        MigrationRefused: with each reason.
    """
    reasons: list[str] = []
    if old.spec.workflow != new.spec.workflow:
        reasons.append(f"it is of workflow {old.spec.workflow!r}, and this one is {new.spec.workflow!r}")
    gone = sorted((progress.finished | progress.beside) - new.spec.nodes.keys())
    reasons += [f"node {name!r} has finished and is not there any more" for name in gone]
    if progress.then != progress.now:
        reasons.append(f"next it runs {_list(progress.then)}, and would run {_list(progress.now)}")
    reasons += [f"branches have come to {name!r}, which would wait for others" for name in progress.lost_meetings]
    # Where such a node leads is decided and written down with what it did.
    led = [name for name in sorted(progress.beside) if _leads_to(old.spec, name) != _leads_to(new.spec, name)]
    reasons += [f"node {name!r} has finished beside one that has not, and would lead elsewhere" for name in led]
    if reasons:
        raise MigrationRefused(run_id, reasons)


def _leads_to(spec: WorkflowSpec, node: str) -> tuple[list[str], list[tuple[str, frozenset[str]]]]:
    """Where a node leads, and with whom it is waited for there."""
    ways = [_edge_words(edge) for edge in spec.ways if edge.source == node]
    groups = [(target, group) for target, some in waiting_sources(spec).items() for group in some if node in group]
    return ways, groups


def _named(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Additions, removals and changes of models under names; a change says which keys."""
    for name in _ordered(old, new):
        if name not in old:
            yield f"{kind} {name!r} is new"
        elif name not in new:
            yield f"{kind} {name!r} is gone"
        elif old[name] != new[name]:
            yield f"{kind} {name!r} changed: {', '.join(_changed_keys(old[name], new[name]))}"


def _changed_keys(old: Any, new: Any) -> list[str]:
    before, after = (each.model_dump(mode="json", by_alias=True) for each in (old, new))
    if before.get("kind") != after.get("kind"):
        return [f"kind {before['kind']} is now {after['kind']}"]
    return [key for key in _ordered(before, after) if before.get(key) != after.get(key)]


def _edges(old: WorkflowSpec, new: WorkflowSpec) -> Iterator[str]:
    before, after = ([_edge_words(edge) for edge in spec.edges] for spec in (old, new))
    yield from (f"edge {each} is new" for each in after if each not in before)
    yield from (f"edge {each} is gone" for each in before if each not in after)
    if sorted(before) == sorted(after) and before != after:
        yield "the edges stand in another order"


def _edge_words(edge: Edge) -> str:
    when = edge.when
    if isinstance(when, Condition):
        when = f"{when.key} = {canonical_json(when.equals)}"
    return f"{edge.source} -> {', '.join(edge.target)}{f' when {when}' if when is not None else ''}"


def _settings(old: WorkflowSpec, new: WorkflowSpec) -> Iterator[str]:
    before, after = (spec.model_dump(mode="json") for spec in (old, new))
    for key in _SINGLE:
        if before[key] != after[key]:
            yield f"{key} changed: {canonical_json(before[key])} is now {canonical_json(after[key])}"


def _texts(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in _ordered(old, new):
        if old.get(name) != new.get(name):
            yield f"{kind} {name!r} {'is new' if name not in old else 'is gone' if name not in new else 'changed'}"


def _steps(old: LoadedWorkflow, new: LoadedWorkflow) -> Iterator[str]:
    """Workflows that are steps: what is another in them stands below their name."""
    for name in _ordered(old.workflows, new.workflows):
        before, after = old.workflows.get(name), new.workflows.get(name)
        if before is None or after is None:
            yield f"workflow {name!r} {'is new' if before is None else 'is gone'}"
        else:
            # Each stands in the list by its own name, so what is below one is told there.
            yield from (f"workflow {name!r}: {each}" for each in spec_difference(before, after))


def _ordered(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The names of both, each once, in the order of the files."""
    yield from dict.fromkeys(chain(old, new))


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
