"""Versions of a workflow: what they differ in, and whether a run that has begun may go over."""

import itertools

import pytest

from harness.engines.run_store import RunStatus
from harness.engines.workflow_changes import spec_difference
from harness.exceptions import BudgetExceeded, MigrationRefused, NodeFailed
from harness.workflow.loading import workflow_from_spec
from harness.workflow.spec import StateKeySpec, WorkflowSpec
from tests.engines.conftest import advanced, flow, recorded, resumed

SPEC = {
    "workflow": "letters",
    "inputs": ["text"],
    "state": {"text": {"type": "string"}, "kind": {"type": "string"}, "answer": {"type": "string"}},
    "nodes": {
        "sort": {"kind": "model", "role": "sorter", "prompt": "sort.md", "output": "kind"},
        "reply": {"kind": "model", "role": "writer", "prompt": "reply.md", "output": "answer"},
        "step": {"kind": "workflow", "workflow": "inner"},
    },
    "edges": [{"from": "sort", "to": "reply"}, {"from": "reply", "to": "step", "when": "kind == 'long'"}],
    "start": "sort",
}
FILES = {"sort.md": "Sort {{ text }}", "reply.md": "Reply"}
INNER = {"workflow": "inner", "nodes": {"a": {"kind": "code", "code": "x"}}, "start": "a"}


def changed(change=None, files=None, inner=None):
    spec = WorkflowSpec.model_validate(SPEC).model_dump(mode="json", by_alias=True)
    if change:
        change(spec)
    steps = {"inner": workflow_from_spec(WorkflowSpec.model_validate({**INNER, **(inner or {})}))}
    return workflow_from_spec(WorkflowSpec.model_validate(spec), {**FILES, **(files or {})}, steps)


def test_what_means_the_same_differs_in_nothing():
    assert spec_difference(changed(), changed()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: spec["nodes"]["reply"].update(role="poet"), ["node 'reply' changed: role"]),
        (lambda spec: spec["nodes"]["reply"]["retry"].update(attempts=9), ["node 'reply' changed: retry"]),
        (
            lambda spec: spec["nodes"].update(step={"kind": "code", "code": "x"}),
            ["node 'step' changed: kind workflow is now code"],
        ),
        (
            lambda spec: (spec["nodes"].pop("step"), spec["edges"].pop()),
            ["node 'step' is gone", "edge reply -> step when kind == 'long' is gone"],
        ),
        (
            lambda spec: (
                spec["nodes"].update(check={"kind": "code", "code": "x"}),
                spec["edges"].append({"from": "step", "to": ["check", "reply"]}),
            ),
            ["node 'check' is new", "edge step -> check, reply is new"],
        ),
        (lambda spec: spec["edges"].reverse(), ["the edges stand in another order"]),
        (lambda spec: spec["state"].update(mood={"type": "string"}), ["state key 'mood' is new"]),
        (lambda spec: spec["state"]["kind"].update(default="short"), ["state key 'kind' changed: default"]),
        (
            lambda spec: spec["limits"].update(steps=7),
            [
                (
                    'limits changed: {"seconds":86400.0,"steps":100,"usd":null} is now '
                    '{"seconds":86400.0,"steps":7,"usd":null}'
                )
            ],
        ),
    ],
)
def test_a_difference_is_told_in_words(change, words):
    assert spec_difference(changed(), changed(change)) == words


def test_prompts_are_told_by_their_files_and_steps_by_their_names():
    new = changed(files={"reply.md": "Reply soon", "more.md": "x"}, inner={"description": "new"})
    assert spec_difference(changed(), new) == [
        "file 'reply.md' changed",
        "file 'more.md' is new",
        "workflow 'inner': description changed: null is now \"new\"",
    ]


class Chain:
    """Three nodes, the second of which fails until it is mended; a run stops between them."""

    def __init__(self):
        self.ran = []
        self.broken = True

    def named(self, name):
        def work() -> None:
            if name == "second" and self.broken:
                raise ValueError("broken")
            self.ran.append(name)

        return work

    def flow(self, *names, state=None, nodes=None, edges=None, **settings):
        given = nodes or {name: {} for name in names}
        return flow(
            "chain",
            given,
            {name: self.named(name) for name in (*given, "newest", "second", "third")},
            state=state or {"a": int},
            edges=edges or list(itertools.pairwise(names)),
            **settings,
        )


@pytest.fixture
def chain():
    return Chain()


def migrated(house, chain, new, **given):
    """A run that failed at its second node and goes on with `new`."""

    async def work(harness):
        failed = await advanced(harness, chain.flow("first", "second", "third", **given))
        assert isinstance(failed.error, NodeFailed)
        chain.broken = False
        ended = await resumed(harness, failed.run.run_id, migrate=harness.load(new))
        return failed, ended, await harness.runs.spec(failed.run.run_id)

    return house.run(work)


def test_a_run_goes_on_with_the_new_workflow_from_where_it_was(house, chain):
    failed, ended, stored = migrated(house, chain, chain.flow("first", "second", "newest", "third"))
    assert ended.run.status is RunStatus.COMPLETED
    assert chain.ran == ["first", "second", "newest", "third"]
    assert ended.run.spec_digest != failed.run.spec_digest
    assert "newest" in stored["workflow"]["spec"]["nodes"]


def test_without_being_asked_to_it_goes_on_with_the_old_one(house, chain):
    async def work(harness):
        failed = await advanced(harness, chain.flow("first", "second", "third"))
        chain.broken = False
        harness.load(chain.flow("first", "second", "newest"))
        return (await resumed(harness, failed.run.run_id)).run.status

    assert house.run(work) is RunStatus.COMPLETED
    assert chain.ran == ["first", "second", "third"]


def test_keys_that_are_new_have_their_default(house, chain):
    seen = []

    def look(mood: str) -> None:
        seen.append(mood)

    nodes = {"first": {}, "second": {}, "look": {"arguments": {"mood": {"from": "mood"}}}}
    edges = [("first", "second"), ("second", "look")]
    state = {"a": int, "mood": StateKeySpec(type="string", default="calm")}
    new = chain.flow(nodes=nodes, edges=edges, state=state)
    new.functions["look"] = look
    _, ended, _ = migrated(house, chain, new)
    assert (ended.run.status, seen) == (RunStatus.COMPLETED, ["calm"])
    assert ended.state == {"a": None, "mood": "calm"}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("start", "second", "third"), "node 'first' has finished and is not there any more"),
        (("first", "other", "third"), "next it runs 'second', and would run nothing"),
    ],
)
def test_a_run_that_would_not_be_the_same_is_refused_and_left_as_it_is(house, chain, names, reason):
    async def work(harness):
        failed = (await advanced(harness, chain.flow("first", "second", "third"))).run
        with pytest.raises(MigrationRefused) as refused:
            await resumed(harness, failed.run_id, migrate=harness.load(chain.flow(*names)))
        left = await harness.runs.run(failed.run_id)
        assert (left.status, left.error, left.owner, left.spec_digest) == (
            failed.status,
            failed.error,
            None,
            failed.spec_digest,
        )
        chain.broken = False
        harness.load(chain.flow("first", "second", "third"))
        assert (await resumed(harness, failed.run_id)).run.status is RunStatus.COMPLETED
        return refused.value

    refused = house.run(work)
    assert reason in refused.reasons
    assert "Go on with the one it began with" in str(refused)


def test_another_workflow_is_no_version_of_this_one(house, chain):
    async def work(harness):
        run = await recorded(harness, chain.flow("first", "second"))
        with pytest.raises(MigrationRefused, match="it is of workflow 'chain', and this one is 'other'"):
            await resumed(harness, run.run_id, migrate=harness.load(flow("other", {"first": {}})))
        assert (await harness.runs.run(run.run_id)).status is RunStatus.PENDING

    house.run(work)


FAN = [("first", "second", "third"), ("second", "last"), ("third", "last")]
WIDER = [("first", "second", "third", "fourth"), *FAN[1:], ("fourth", "last")]


def _longer(edges):
    """With a node before the second one."""
    begin, *rest = edges
    return [(begin[0], "before", *begin[2:]), ("before", "second"), *rest]


@pytest.mark.parametrize(
    ("longer", "reason"),
    [
        (False, "node 'third' has finished beside one that has not, and would lead elsewhere"),
        (True, "branches have come to 'last', which would wait for others"),
    ],
)
def test_branches_that_have_come_to_a_meeting_must_still_meet_there(house, chain, longer, reason):
    """The failing branch is as long as the other, or a step longer."""

    nodes = {key: {} for key in ["first", "second", "third", "last", *(["before"] if longer else [])]}
    fan, wider = (_longer(FAN), _longer(WIDER)) if longer else (FAN, WIDER)

    async def work(harness):
        failed = await advanced(harness, chain.flow(nodes=nodes, edges=fan))
        assert isinstance(failed.error, NodeFailed)
        chain.broken = False
        with pytest.raises(MigrationRefused) as refused:
            await resumed(
                harness, failed.run.run_id, migrate=harness.load(chain.flow(nodes={**nodes, "fourth": {}}, edges=wider))
            )
        assert refused.value.reasons == (reason,)
        assert (await resumed(harness, failed.run.run_id)).run.status is RunStatus.COMPLETED
        assert chain.ran[-1] == "last"

    house.run(work)


def test_a_limit_that_the_new_workflow_raises_holds_from_there(scripted):
    import asyncio

    scripted.edit("workflow.yaml", "outcome:", "limits: {usd: 0.0001}\noutcome:")

    async def work():
        async with scripted.opened() as harness:
            stopped = await scripted.advance(harness, count=1)
            assert isinstance(stopped.error, BudgetExceeded)
            scripted.edit("workflow.yaml", "usd: 0.0001", "usd: 1")
            ended = await resumed(harness, stopped.run.run_id, migrate=harness.load("audit"))
            assert (ended.run.status, ended.error) == (RunStatus.COMPLETED, None)

    asyncio.run(work())
    amounts = scripted.home.rows("money", "SELECT amount, ended_at IS NULL FROM limits ORDER BY amount")
    assert amounts == [(100_000, 0), (1_000_000_000, 1)]
