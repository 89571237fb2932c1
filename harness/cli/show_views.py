"""Everything that `show` says of a run, as it is shown to people and to programs."""

from dataclasses import dataclass
from decimal import Decimal

from harness.cli.budget_commands import LimitRow
from harness.cli.output import counted, time_text, usd_text
from harness.cli.question_views import first_words, question_object
from harness.cli.readable_values import one_line, quoted_block
from harness.cli.run_reach import Reached
from harness.cli.run_views import RunLine, cost_words, state_lines
from harness.engines.run_orders import HistoryStep
from harness.engines.run_store import RunStatus
from harness.ledger.reports import Entry
from harness.workflow.nodes.questions import AskedQuestion
from harness.workflow.nodes.step_journal import RecordedStep

_MOST = 40  # the newest; programs are given all


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with all that is recorded of it.

    Args:
        history: the steps of its graph, oldest first.
        steps: what its nodes recorded of their parts: calls of agents and tools, items, plans, steps of plans.
        questions: what waits for a person.
        children: the runs that are its steps.
    """

    line: RunLine
    reached: Reached
    history: tuple[HistoryStep, ...]
    steps: tuple[RecordedStep, ...]
    questions: tuple[AskedQuestion, ...]
    children: tuple[RunLine, ...]
    entries: tuple[Entry, ...]
    caps: tuple[LimitRow, ...]
    error: str | None


def view_object(view: RunView) -> dict[str, object]:
    """For programs; results of steps are left out, `--state` has the state."""
    nodes: list[dict[str, object]] = []
    for node in _nodes(view):
        calls, tokens, dollars = _charged(view, node)
        done = node in view.reached.finished
        visits = view.reached.visits.get(node)
        nodes.append({"node": node, "done": done, "visits": visits, "calls": calls, "tokens": tokens, "usd": dollars})
    return {
        **view.line.as_object(),
        "error": view.error,
        "nodes": nodes,
        "history": view.history,
        "steps": [_step_object(step) for step in view.steps],
        "questions": [question_object(asked) for asked in view.questions],
        "children": [child.as_object() for child in view.children],
        "caps": view.caps,
    }


def view_text(view: RunView) -> str:
    """For people."""
    lines = [
        *_head(view),
        *(f"step {_history_words(step)}" for step in view.history[-_MOST:]),
        *(_node_line(view, node) for node in _nodes(view)),
        *(_step_line(step) for step in view.steps[-_MOST:]),
        *(f"run {child.run.run_id} of {child.run.workflow} is a step: {child.status}" for child in view.children),
        *(_question_line(asked) for asked in view.questions),
        *state_lines(view.reached.state),
        *(f"cap of {cap}" for cap in view.caps),
    ]
    run = view.line.run
    first = f"run {run.run_id} of {run.workflow}: {view.line.status}"
    return "\n".join([first, *(f"  {line}" for line in lines), cost_words(view.line.costs)])


def _head(view: RunView) -> list[str]:
    run = view.line.run
    started, finished = time_text(run.started_at), time_text(run.finished_at)
    lines = [
        f"person {run.person}, organisation {run.organisation}, bindings version {run.binding_version_at_start}",
        f"created {time_text(run.created_at)}, started {started}, finished {finished}",
        f"project {run.project}",
    ]
    if run.parent_run_id:
        lines.append(f"is a step of run {run.parent_run_id}, at {run.parent_path}")
    if run.forked_from:
        lines.append(f"was forked from run {run.forked_from} at step {run.forked_step}")
    if view.error:
        first, *more = quoted_block(view.error)
        label = "waits" if run.status is RunStatus.WAITING else "error"
        lines += [f"{label}: {first.removeprefix('│ ')}", *more]
    return lines


def _history_words(step: HistoryStep) -> str:
    what = ", ".join(step.ran) if step.ran else "begins"
    return f"{step.step}: {what} ({time_text(step.at)})"


def _node_line(view: RunView, node: str) -> str:
    calls, tokens, dollars = _charged(view, node)
    done = "done" if node in view.reached.finished else "not finished"
    return f"node {node}: {done}; {counted(calls, 'call')}, {tokens:,} tokens, {usd_text(dollars)}"


def _step_line(step: RecordedStep) -> str:
    again = f", {step.attempts} attempts" if step.attempts > 1 else ""
    error = f": {one_line(step.error)}" if step.error else ""
    return f"{step.kind} {step.path}: {step.status}{again}{error}"


def _step_object(step: RecordedStep) -> dict[str, object]:
    return {
        "path": step.path,
        "kind": step.kind,
        "digest": step.digest,
        "status": step.status.value,
        "attempts": step.attempts,
        "error": step.error,
        "started_at": step.started_at,
        "finished_at": step.finished_at,
    }


def _question_line(asked: AskedQuestion) -> str:
    return f"waits for a person: question {asked.question_id} at {asked.question.path}: {first_words(asked)}"


def _charged(view: RunView, node: str) -> tuple[int, int, Decimal]:
    """Calls, tokens and dollars of one node; holds are left out, what closed them counts."""
    of_node = [entry for entry in view.entries if entry.node == node and entry.kind != "hold"]
    tokens = sum((entry.input_tokens or 0) + (entry.output_tokens or 0) for entry in of_node)
    return sum(entry.calls for entry in of_node), tokens, sum((entry.usd for entry in of_node), Decimal(0))


def _nodes(view: RunView) -> list[str]:
    """The nodes that were charged, in that order, then the others that are done."""
    charged = (entry.node for entry in view.entries if entry.node)
    return list(dict.fromkeys([*charged, *sorted(view.reached.finished)]))
