"""Calls of tools in a run: what fits, what a person approved, one effect, one record, also after a crash."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exceptions import (
    Confined,
    NameUnknown,
    ToolArgumentsRefused,
    ToolFailed,
    WaitsForPerson,
)
from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.sql_questions import AskingRun, SqlQuestions, SqlRunQuestions
from harness.storage.sql_step_journal import SqlStepJournal
from harness.storage.transactions import TransactionWriter
from harness.tools.tool import Approval, ToolSpec
from harness.workflow.events import QuestionAsked, ToolAnswered, ToolCalled
from harness.workflow.node_kinds import ToolNode
from harness.workflow.nodes.node_services import NodeServices, RunIdentity, Visit
from harness.workflow.nodes.retrying import retried
from harness.workflow.nodes.step_journal import StepStatus
from harness.workflow.nodes.tool_calls import ToolCaller
from harness.workflow.nodes.tool_node import ToolNodeRunner
from harness.workflow.origins import Carried, Origin
from ontology.databases import open_database, sqlite_url, upgrade
from tests.storage.run_samples import Clock, a_held_run, a_store

PATH = "send/tool"
SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "usd": {"type": "number"}},
    "required": ["to"],
    "additionalProperties": False,
}


class Killed(BaseException):
    """The process ends here: nothing after it is done, and nobody hears of it."""


class Service:
    """What the tools reach: does one thing a key, as a service that knows idempotency keys, and counts calls."""

    def __init__(self):
        self.calls = []
        self.effects = {}
        self.fails = []

    def take(self, call):
        self.calls.append(call)
        if self.fails:
            error = self.fails.pop(0)
            if error is not None:
                raise error
        return self.effects.setdefault(call.idempotency_key, f"done {len(self.effects) + 1}")


class ServiceTool:
    def __init__(self, service, **said):
        self.spec = ToolSpec(**({"name": "mail.send", "description": "Sends.", "parameters": SCHEMA} | said))
        self._service = service

    async def call(self, call):
        result = self._service.take(call)
        return await result if asyncio.iscoroutine(result) else result


class Box(dict):
    async def tool(self, name):
        if name not in self:
            raise NameUnknown("tool", name)
        return self[name]


class Run:
    """One run; each call of a tool is one of a process that knows only what is recorded."""

    def __init__(self, store, writer, clock):
        self.writer = writer
        self.clock = clock
        self.run_id = asyncio.run(a_held_run(store))
        self.service = Service()
        self.box = Box()
        self.events = []
        self.with_tool()

    def with_tool(self, **said):
        tool = ServiceTool(self.service, **({"effect": True} | said))
        self.box[tool.spec.name] = tool

    @property
    def journal(self):
        return SqlStepJournal(
            self.writer,
            organisation="acme",
            run_id=self.run_id,
            person="ada",
            owner="one",
            clock=self.clock,
            row_lock="",
        )

    def visit(self, journal=None, values=None, origin=None):
        asking = AskingRun("acme", self.run_id, self.run_id, "w", "ada")
        services = NodeServices(
            model_call=None,
            resolve=None,
            toolbox=self.box,
            findings=lambda: None,
            recollection=None,
            journal=journal or self.journal,
            questions=SqlRunQuestions(self.writer, run=asking, clock=self.clock),
            cache=None,
            children=None,
            limits=None,
            ledger=None,
            start_task=None,
            on_event=self.events.append,
            clock=self.clock,
            monotonic=lambda: 0.0,
            sleep=lambda _: asyncio.sleep(0),
            random=random.Random(1),
        )
        identity = RunIdentity(self.run_id, "w", "task", "acme", "ada", None, Path("/tmp"), Path("/tmp"), resumed=False)
        carried = Carried(origin) if origin else Carried()
        return Visit("send", "send", "task", values or {}, identity, services, carried)

    def call(self, arguments=None, *, path=PATH, journal=None, origin=None, tool="mail.send", **more):
        visit = self.visit(journal, origin=origin)
        given = {"to": "Ada"} if arguments is None else arguments
        return asyncio.run(ToolCaller().call(tool, given, visit=visit, path=path, **more))

    def answer(self, approved, **more):
        async def given():
            questions = SqlQuestions(self.writer, organisation="acme", clock=self.clock)
            (asked,) = await questions.open(self.run_id)
            answer = {"approved": approved} | more
            return await questions.answer(asked.question_id, answer, digest=asked.question.digest, person="grace")

        return asyncio.run(given())

    def step(self, path=PATH):
        (step,) = [each for each in asyncio.run(self.journal.steps(path)) if each.path == path]
        return step

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def new_run(tmp_path_factory):
    """Makes a run of one database."""
    engine = open_database(sqlite_url(tmp_path_factory.mktemp("runs") / "runs.db").render_as_string())
    upgrade(engine, RUNS_MIGRATIONS)
    writer = TransactionWriter(engine, name="runs")
    clock = Clock()
    store = a_store(writer, clock)
    yield lambda: Run(store, writer, clock)
    writer.close()
    engine.dispose()


@pytest.fixture
def run(new_run):
    return new_run()


def test_a_result_is_recorded_before_anything_goes_on_and_is_not_called_for_again(run):
    assert run.call() == "done 1"
    assert (run.step().status, run.step().result) == (StepStatus.DONE, "done 1")

    assert run.call() == "done 1"

    assert len(run.service.calls) == 1
    assert run.service.calls[0].idempotency_key == f"{run.run_id}/{PATH}"
    first, again = run.of(ToolAnswered)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.result_bytes == again.result_bytes == len('"done 1"')
    assert len(run.of(ToolCalled)) == 1


def test_what_is_recorded_is_given_though_the_tool_is_gone(run):
    run.call()
    run.box.clear()

    assert run.call() == "done 1"
    with pytest.raises(NameUnknown):
        run.call({"to": "Grace"}, path="send:2/tool")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'to' is a required property"),
        ({"to": 1}, "$.to: 1 is not of type 'string'"),
        ({"to": "x", "form": "y"}, "'form' was unexpected"),
        ({"to": "x", "usd": "much"}, "$.usd: 'much' is not of type 'number'"),
    ],
)
def test_arguments_outside_the_schema_are_refused_in_words_and_nothing_is_called(run, arguments, words):
    with pytest.raises(ToolArgumentsRefused) as caught:
        run.call(arguments)

    assert words in caught.value.reason
    assert run.service.calls == []
    assert asyncio.run(run.journal.steps()) == []


def test_a_schema_that_leads_elsewhere_is_not_followed(run):
    run.with_tool(parameters={"type": "object", "properties": {"to": {"$ref": "http://127.0.0.1:1/schema"}}})

    with pytest.raises(ToolFailed, match="the schema of its arguments cannot be used"):
        run.call()


class TestCrashes:
    """A process ends at each boundary of an effect, and another one goes on."""

    def die(self, run, journal):
        with pytest.raises(Killed):
            run.call(journal=journal)

    def dying(self, run, **at):
        """The run's journal in a process that ends before or after a write."""

        class Dying(SqlStepJournal):
            async def begin(self, *given, **named):
                if at.get("begin") == "before":
                    raise Killed
                await super().begin(*given, **named)
                raise Killed

            async def finish(self, *given):
                if at.get("finish") == "after":
                    await super().finish(*given)
                raise Killed

        if "begin" not in at:
            Dying.begin = SqlStepJournal.begin
        journal = run.journal
        journal.__class__ = Dying
        return journal

    @pytest.mark.parametrize(
        ("at", "calls_before", "calls_after"),
        [
            ({"begin": "before"}, 0, 1),
            ({"begin": "after"}, 0, 1),
            ({"finish": "before"}, 1, 2),
            ({"finish": "after"}, 1, 1),
        ],
    )
    @pytest.mark.parametrize("effect", [True, False])
    def test_an_effect_is_made_once_or_repeated_under_its_key(self, run, at, calls_before, calls_after, effect):
        run.with_tool(effect=effect)
        self.die(run, self.dying(run, **at))
        assert len(run.service.calls) == calls_before

        assert run.call() == "done 1"
        assert run.call() == "done 1"

        assert len(run.service.calls) == calls_after
        assert run.service.effects == {f"{run.run_id}/{PATH}": "done 1"}

    def test_one_that_ends_while_the_tool_is_called_is_repeated_under_its_key(self, run):
        run.service.fails = [Killed()]
        self.die(run, None)

        assert run.call() == "done 1"
        assert {call.idempotency_key for call in run.service.calls} == {f"{run.run_id}/{PATH}"}
        assert run.step().attempts == 2

    def test_an_approved_call_never_runs_twice(self, run):
        """A service that knows no keys: after the record it is never reached again, whatever happens."""
        run.with_tool(approval=Approval.ALWAYS)
        with pytest.raises(WaitsForPerson):
            run.call()
        run.answer(approved=True)

        self.die(run, self.dying(run, finish="after"))
        for _ in range(3):
            assert run.call() == "done 1"

        assert len(run.service.calls) == 1

    def test_an_approved_call_that_was_not_recorded_is_repeated_with_its_key_and_not_asked_anew(self, run):
        run.with_tool(approval=Approval.ALWAYS)
        with pytest.raises(WaitsForPerson):
            run.call()
        run.answer(approved=True)

        self.die(run, self.dying(run, finish="before"))
        run.call()

        assert [call.idempotency_key for call in run.service.calls] == [f"{run.run_id}/{PATH}"] * 2
        assert len({event.question_id for event in run.of(QuestionAsked)}) == 1


class TestOtherArguments:
    """The key of an effect stands for its arguments."""

    def test_an_effect_that_was_made_is_not_made_otherwise_at_its_place(self, run):
        run.call()

        with pytest.raises(ToolFailed, match="a call with other arguments took effect at this place of the run"):
            run.call({"to": "Grace"})
        assert len(run.service.calls) == 1

    def test_nor_is_one_of_which_it_is_not_known(self, run):
        run.service.fails = [Killed()]
        with pytest.raises(Killed):
            run.call()

        with pytest.raises(ToolFailed, match="is not known to have ended"):
            run.call({"to": "Grace"})

    def test_what_failed_or_has_no_effect_may_be_called_otherwise(self, run):
        run.service.fails = [ToolFailed("mail.send", "no such person")]
        with pytest.raises(ToolFailed):
            run.call()
        assert run.call({"to": "Grace"}) == "done 1"

        run.with_tool(name="look", effect=False)
        run.call(tool="look", path="look/tool")
        run.call({"to": "Grace"}, tool="look", path="look/tool")
        assert len(run.service.calls) == 4


class TestApproval:
    def test_a_person_is_shown_the_real_arguments_and_nothing_is_called_before(self, run):
        run.with_tool(approval=Approval.ALWAYS)

        with pytest.raises(WaitsForPerson) as caught:
            run.call({"to": "Ada", "usd": 3}, shows={"why": "the bill", "arguments": {"to": "somebody else"}})

        assert "wants to call the tool 'mail.send', which changes something" in caught.value.question
        assert run.service.calls == []
        assert asyncio.run(run.journal.steps()) == []
        asked = run.answer(approved=True).question
        assert asked.shows == {
            "why": "the bill",
            "tool": "mail.send",
            "description": "Sends.",
            "effect": True,
            "arguments": {"to": "Ada", "usd": 3},
        }
        assert (asked.path, asked.kind.value) == (PATH, "tool_call")
        assert run.call({"to": "Ada", "usd": 3}, shows={"why": "the bill"}) == "done 1"

    def test_a_yes_is_for_these_arguments_alone(self, run):
        run.with_tool(approval=Approval.ALWAYS)
        with pytest.raises(WaitsForPerson):
            run.call({"to": "Ada", "usd": 3})
        run.answer(approved=True)

        with pytest.raises(WaitsForPerson):
            run.call({"to": "Ada", "usd": 4})
        assert run.service.calls == []

    def test_a_no_is_an_error_with_the_persons_words(self, run):
        run.with_tool(approval=Approval.ALWAYS)
        with pytest.raises(WaitsForPerson):
            run.call()
        run.answer(approved=False, comment="not today")

        for _ in range(2):
            with pytest.raises(ToolFailed, match="a person declined: not today") as caught:
                run.call()
            assert not caught.value.retryable
        assert run.service.calls == []

    def test_who_calls_may_want_one_where_the_tool_does_not(self, run):
        with pytest.raises(WaitsForPerson):
            run.call(approval=True)
        run.answer(approved=True)
        assert run.call(approval=True) == "done 1"


class TestConfinement:
    """What joins private data and a stranger's text leaves the house by nobody's hand but a person's."""

    CONFINED = Origin(untrusted=True, private=True, sources=("mailbox", "web"))

    @pytest.mark.parametrize("said", [{"effect": True}, {"effect": False, "outward": True}])
    def test_it_does_not_leave_and_is_told_what_it_is_made_of(self, run, said):
        run.with_tool(**said)
        with pytest.raises(Confined, match=r"made of private data and of text from outside \(mailbox, web\)"):
            run.call(origin=self.CONFINED)
        assert run.service.calls == []

    @pytest.mark.parametrize("origin", [Origin(untrusted=True), Origin(private=True), None])
    def test_one_of_both_may_leave(self, run, origin):
        assert run.call(origin=origin) == "done 1"

    def test_numbers_and_fixed_words_may_leave(self, run):
        typed = {"to": {"enum": ["Ada", "Grace"]}, "usd": {"type": "number"}}
        run.with_tool(parameters={"type": "object", "properties": typed, "additionalProperties": False})

        assert run.call(origin=self.CONFINED) == "done 1"

    def test_a_person_decides(self, run):
        run.with_tool(approval=Approval.ALWAYS)
        with pytest.raises(WaitsForPerson):
            run.call(origin=self.CONFINED)
        run.answer(approved=True)
        assert run.call(origin=self.CONFINED) == "done 1"

    @pytest.mark.parametrize("times", [1, 2])
    def test_what_a_tool_brings_in_is_carried_on_also_where_it_is_replayed(self, run, times):
        run.with_tool(name="read", effect=False, private=True)
        for _ in range(times):
            visit = run.visit()
            asyncio.run(ToolCaller().call("read", {"to": "x"}, visit=visit, path="send/tool#1"))
        assert visit.carried.origin.confined

        with pytest.raises(Confined):
            asyncio.run(ToolCaller().call("mail.send", {"to": "x"}, visit=visit, path="send/tool#2"))


class TestFailures:
    def test_it_is_recorded_told_and_may_be_tried_again_under_the_same_key(self, run):
        run.service.fails = [ToolFailed("mail.send", "busy", retryable=True)]
        with pytest.raises(ToolFailed, match="busy"):
            run.call()

        assert run.step().status is StepStatus.FAILED
        assert "busy" in run.step().error
        assert run.call() == "done 1"
        assert len({call.idempotency_key for call in run.service.calls}) == 1
        assert [event.error is None for event in run.of(ToolAnswered)] == [False, True]

    def test_one_that_takes_too_long_is_left(self, run):
        class Slow(Service):
            def take(self, _call):
                return asyncio.sleep(30)

        run.service = Slow()
        run.with_tool(timeout_seconds=0.05)
        with pytest.raises(ToolFailed, match=r"no answer within 0\.05 s"):
            run.call()
        assert run.step().status is StepStatus.FAILED

    def test_a_result_that_is_too_large_is_an_error_and_is_not_kept(self, run):
        run.with_tool(max_result_bytes=4)
        with pytest.raises(ToolFailed, match="more than max_result_bytes=4"):
            run.call()
        assert run.step().result is None

    def test_what_a_broken_tool_raises_is_an_error_in_words(self, run):
        run.service.fails = [KeyError("x")]
        with pytest.raises(ToolFailed, match="KeyError: 'x'"):
            run.call()


class TestNode:
    def test_arguments_come_from_the_state(self, run):
        node = ToolNode(kind="tool", tool="mail.send", arguments={"to": {"from": "guest.name"}, "usd": 2})
        visit = run.visit(values={"guest": {"name": "Ada"}})

        assert asyncio.run(ToolNodeRunner(node).run(visit)) == "done 1"
        assert run.service.calls[0].arguments == {"to": "Ada", "usd": 2}
        assert run.service.calls[0].context.node == "send"
        assert run.step(PATH).status is StepStatus.DONE

    def test_it_is_tried_again_where_that_can_help_and_only_there(self, run):
        node = ToolNode(kind="tool", tool="mail.send", arguments={"to": "Ada"}, retry={"attempts": 3})

        def tried():
            visit = run.visit()
            work = ToolNodeRunner(node)
            return asyncio.run(
                retried(
                    lambda: work.run(visit),
                    node.retry,
                    chance=random.Random(1),
                    sleep=lambda _: asyncio.sleep(0),
                    on_retry=lambda *_: None,
                )
            )

        run.service.fails = [ToolFailed("mail.send", "no", retryable=False)]
        with pytest.raises(ToolFailed):
            tried()
        assert len(run.service.calls) == 1

        run.service.fails = [ToolFailed("mail.send", "busy", retryable=True)] * 2
        assert tried() == "done 1"
        assert len(run.service.calls) == 4

    def test_an_effect_that_only_its_function_tells_of_is_not_cached(self, run):
        node = ToolNode(kind="tool", tool="mail.send", arguments={"to": "Ada"}, cache={"seconds": 60})
        with pytest.raises(ToolFailed, match="not to be cached"):
            asyncio.run(ToolNodeRunner(node).run(run.visit()))

        run.with_tool(effect=False)
        assert asyncio.run(ToolNodeRunner(node).run(run.visit())) == "done 1"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["answers", "busy", "killed before", "killed after", "no"]), max_size=6))
def test_whatever_happens_on_the_way_there_is_one_effect_and_one_result(new_run, course):
    run = new_run()
    errors = {
        "busy": ToolFailed("mail.send", "busy", retryable=True),
        "no": ToolFailed("mail.send", "no"),
        "killed before": Killed(),
    }
    results = set()
    for what in [*course, "answers"]:
        run.service.fails = [errors.get(what)]
        journal = TestCrashes().dying(run, finish="before") if what == "killed after" else None
        try:
            results.add(run.call(journal=journal))
        except (Killed, ToolFailed):
            continue
    assert results == {"done 1"}
    assert run.service.effects == {f"{run.run_id}/{PATH}": "done 1"}
    answered = course.index("answers") if "answers" in course else len(course)
    assert len(run.service.calls) == answered + 1
