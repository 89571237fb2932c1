"""A call's id names its place in the run, and a send counts against everything a limit can be set on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.budgets.limits import Charge, ScopeKind
from harness.ledger.entries import CallContext, Send, place_of_call

CONTEXT = CallContext(
    organisation="acme",
    person="ada",
    task_id="task-1",
    role="classifier",
    path="classify:2[3]",
    ordinal=1,
    team="tools",
    run_id="run-1",
    workflow="audit",
    node="classify",
)
SEND = Send("s", CONTEXT, "digest", "small", "here", 7, Charge(10, 3), 2, 1)
nodes = st.from_regex(r"[A-Za-z][\w.-]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("classify", ("classify", 1, 0)),
        ("classify[3]", ("classify", 1, 3)),
        ("classify:2", ("classify", 2, 0)),
        ("classify:12[345]", ("classify", 12, 345)),
        ("step.one-a", ("step.one-a", 1, 0)),
        ("work[2]/1.read", ("work", 1, 2)),
        ("work:2[3]/1.read/fallback", ("work", 2, 3)),
    ],
)
def test_a_call_id_names_node_visit_and_item(path, place):
    assert place_of_call(replace(CONTEXT, path=path, ordinal=4).call_id) == place


@given(nodes, st.integers(1, 999), st.none() | st.integers(0, 9999), st.integers(0, 99))
def test_a_place_can_be_read_back_from_every_call_id(node, visit, item, ordinal):
    path = node + (f":{visit}" if visit > 1 else "") + (f"[{item}]" if item is not None else "")
    assert place_of_call(replace(CONTEXT, path=path, ordinal=ordinal).call_id) == (node, visit, item or 0)


paths = st.sampled_from(["a", "a:2", "a[1]", "a:2[1]", "b"])
questions = st.tuples(
    st.sampled_from(["run-1", "run-2", None]), st.sampled_from(["t1", "t2"]), paths, st.integers(0, 3)
)


@given(questions, questions)
def test_different_questions_of_a_run_have_different_call_ids(one, other):
    first, second = (
        replace(CONTEXT, run_id=run_id, task_id=task_id, path=path, ordinal=ordinal)
        for run_id, task_id, path, ordinal in (one, other)
    )
    same = (first.run_id or first.task_id, first.path, first.ordinal) == (
        second.run_id or second.task_id,
        second.path,
        second.ordinal,
    )
    assert (first.call_id == second.call_id) is same


def test_a_call_id_is_the_same_whoever_asks_in_whatever_role():
    asked_by_others = replace(CONTEXT, person="grace", role="reviewer", team=None, task_id="task-2")
    assert asked_by_others.call_id == CONTEXT.call_id


def test_a_send_counts_against_every_kind_of_scope_that_it_has():
    assert SEND.scopes() == [
        (ScopeKind.ORGANISATION, "acme"),
        (ScopeKind.PERSON, "ada"),
        (ScopeKind.TEAM, "tools"),
        (ScopeKind.WORKFLOW, "audit"),
        (ScopeKind.TASK, "task-1"),
        (ScopeKind.RUN, "run-1"),
        (ScopeKind.NODE, f"run-1/{CONTEXT.path}"),
        (ScopeKind.ROLE, "classifier"),
        (ScopeKind.MODEL, "small"),
    ]
    assert {kind for kind, _ in SEND.scopes()} == set(ScopeKind)


def test_a_send_outside_a_run_counts_against_what_it_has_alone():
    alone = replace(CONTEXT, team=None, run_id=None, workflow=None, node=None)
    kinds = {kind for kind, _ in replace(SEND, context=alone).scopes()}
    assert kinds == set(ScopeKind) - {ScopeKind.TEAM, ScopeKind.RUN, ScopeKind.WORKFLOW, ScopeKind.NODE}
    assert alone.call_id.startswith("task-1/")
