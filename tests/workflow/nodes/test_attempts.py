"""Where a node's result comes from: its work, its fallback, the cache; and what may replace nothing."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.exceptions import (
    BudgetExceeded,
    CallableRefused,
    LimitOfRunReached,
    NameUnknown,
    NodeFailed,
    Overloaded,
    WaitsForPerson,
)
from harness.models.catalogue import Capability
from harness.tools.tool import ToolSpec
from harness.workflow.events import FallbackTaken, NodeRetried, ResultReused
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.attempts import Attempts
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.result_cache import CachedResult
from harness.workflow.spec import WorkflowSpec
from tests.workflow.conftest import MemoryJournal, context_of
from tests.workflow.nodes.test_model_node import Answers, reply

RATE = {"attempts": 2, "backoff_seconds": 0}


class Cache:
    """Keeps results for as long as the test lasts."""

    def __init__(self):
        self.kept = {}

    async def find(self, digest):
        return self.kept.get(digest)

    async def keep(self, digest, result, *, run_id, **_):
        self.kept[digest] = CachedResult(result, run_id)


def attempts_of(node, files=None):
    spec = WorkflowSpec.model_validate(
        {"workflow": "w", "state": {"k": {}, "o": {}, "many": {}}, "nodes": {"n": node}, "start": "n"}
    )
    loaded = workflow_from_spec(spec, files or {"p.md": "What is {{ k }}?"})
    return Attempts(loaded, "n", loaded.spec.work["n"])


def result(node, registry, values=None, **services):
    events = []
    context = context_of(registry, events, **services)
    visit = Visit("n", "n", "task", values or {"k": 1, "o": 2}, context.run, context.services)
    return asyncio.run(attempts_of(node).result(visit)), events


def code(**node):
    return {"kind": "code", "code": "work", "arguments": {"k": {"from": "k"}}, "output": "o", "retry": RATE} | node


def failing(error):
    def work(k: int) -> int:
        raise error

    return {"work": work}


def test_a_value_answers_when_the_node_failed_for_good():
    found, events = result(code(fallback={"value": []}), failing(Overloaded("e", "down")))
    assert found == []
    assert [type(each) for each in events] == [NodeRetried, FallbackTaken]
    assert events[1].error == "Overloaded"


def test_a_fallback_of_null_is_a_value():
    assert result(code(fallback={"value": None}), failing(ValueError("x")))[0] is None


@pytest.mark.parametrize(
    "error",
    [
        WaitsForPerson("run", "n", "well?"),
        BudgetExceeded("person:ada", "usd", 1, 1, 0, 1, None),
        LimitOfRunReached("run", "limits.usd of node 'n'", 1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_people_and_budgets_are_not_evaded_by_a_fallback(error):
    with pytest.raises(type(error)):
        result(code(fallback={"value": 0}), failing(error))


def test_another_role_is_asked_under_a_path_of_its_own():
    class Down(Answers):
        async def ask(self, request, context, **given):
            if context.role == "big":
                self.asked.append(context)
                raise Overloaded("e", "down")
            return await super().ask(request, context, **given)

    answers = Down(reply("small one's word"))
    node = {
        "kind": "model",
        "role": "big",
        "prompt": "p.md",
        "output": "o",
        "retry": RATE,
        "fallback": {"role": "small"},
    }
    assert result(node, {}, model_call=answers)[0] == "small one's word"
    assert [(each.role, each.path) for each in answers.asked] == [("big", "n"), ("big", "n"), ("small", "n/fallback")]


def test_when_the_fallback_fails_too_both_reasons_are_told():
    class Down(Answers):
        async def ask(self, _request, context, **_):
            raise Overloaded(context.role, "down")

    node = {
        "kind": "model",
        "role": "big",
        "prompt": "p.md",
        "output": "o",
        "retry": RATE,
        "fallback": {"role": "small"},
    }
    with pytest.raises(Overloaded, match="small") as raised:
        result(node, {}, model_call=Down())
    assert "big" in str(raised.value.__cause__)


def counting():
    calls = []

    def work(k: int) -> int:
        calls.append(k)
        return k * 10

    return {"work": work}, calls


def test_equal_inputs_are_answered_from_the_cache_and_other_inputs_are_not():
    registry, calls = counting()
    cache = Cache()
    node = code(cache={"seconds": 60})
    assert result(node, registry, {"k": 1, "o": 0}, cache=cache)[0] == 10
    found, events = result(node, registry, {"k": 1, "o": "not read"}, cache=cache)
    assert (found, [type(each) for each in events]) == (10, [ResultReused])
    assert result(node, registry, {"k": 2, "o": 0}, cache=cache)[0] == 20
    assert calls == [1, 2]


def test_a_failure_is_not_kept():
    cache = Cache()
    with pytest.raises(CallableRefused):
        result(code(cache={"seconds": 60}), {"work": lambda: 1}, cache=cache)
    assert not cache.kept


def of_person(person, team, cache, registry, scope):
    events = []
    context = context_of(registry, events, cache=cache)
    run = SimpleNamespace(**{name: getattr(context.run, name) for name in context.run.__slots__})
    run.person, run.team = person, team
    visit = Visit("n", "n", "task", {"k": 1}, run, context.services)
    asyncio.run(attempts_of(code(cache={"seconds": 60, "scope": scope})).result(visit))
    return any(isinstance(each, ResultReused) for each in events)


@pytest.mark.parametrize(
    ("scope", "for_a_colleague", "for_a_stranger"),
    [("person", False, False), ("team", True, False), ("organisation", True, True)],
)
def test_a_result_is_given_again_to_whom_the_scope_lets_see_it(scope, for_a_colleague, for_a_stranger):
    registry, _ = counting()
    cache = Cache()
    assert not of_person("ada", "red", cache, registry, scope)
    assert of_person("ada", "red", cache, registry, scope)
    assert of_person("grace", "red", cache, registry, scope) is for_a_colleague
    assert of_person("alan", "blue", cache, registry, scope) is for_a_stranger


def test_without_a_team_a_team_cache_is_the_persons_own():
    registry, _ = counting()
    cache = Cache()
    assert not of_person("ada", None, cache, registry, "team")
    assert not of_person("grace", None, cache, registry, "team")


def test_another_binding_makes_another_result():
    class Routed(Answers):
        model = "one"

        async def route(self, _context):
            return SimpleNamespace(targets=[SimpleNamespace(endpoint_name="e", model_name=self.model)])

    cache = Cache()
    answers = Routed(reply("first"))
    node = {"kind": "model", "role": "r", "prompt": "p.md", "output": "o", "cache": {"seconds": 60}}
    assert result(node, {}, model_call=answers, cache=cache)[0] == "first"
    assert result(node, {}, model_call=answers, cache=cache)[0] == "first"
    assert len(answers.asked) == 1
    answers.model, answers.replies = "two", [reply("second")]
    assert result(node, {}, model_call=answers, cache=cache)[0] == "second"


def test_what_answered_instead_is_not_kept_as_the_nodes_own_result():
    cache, broken = Cache(), [True]

    def work(k: int) -> int:
        if broken:
            raise Overloaded("e", "down")
        return k * 10

    node = code(cache={"seconds": 60}, fallback={"value": 0})
    assert result(node, {"work": work}, cache=cache)[0] == 0
    assert not cache.kept
    broken.clear()
    assert result(node, {"work": work}, cache=cache)[0] == 10
    assert result(node, {"work": work}, cache=cache)[0] == 10


def test_what_another_role_answered_is_not_kept_either():
    class Down(Answers):
        async def ask(self, request, context, **given):
            if context.role == "big":
                raise Overloaded("e", "down")
            return await super().ask(request, context, **given)

        async def route(self, _context):
            return SimpleNamespace(targets=[])

    cache = Cache()
    node = {"kind": "model", "role": "big", "prompt": "p.md", "output": "o", "retry": RATE}
    node |= {"fallback": {"role": "small"}, "cache": {"seconds": 60}}
    assert result(node, {}, model_call=Down(reply("small one's word")), cache=cache)[0] == "small one's word"
    assert not cache.kept


def test_one_more_item_leaves_the_results_of_the_others_in_the_cache():
    registry, calls = counting()
    cache = Cache()
    node = code(cache={"seconds": 60}, for_each="many", item="it", arguments={"k": {"from": "it"}})
    for many in ([1, 2], [1, 2, 3]):
        for each in many:
            result(node, registry, {"many": many, "it": each, "k": 0}, cache=cache)
    assert calls == [1, 2, 3]


def test_a_list_that_the_node_reads_itself_is_in_its_key():
    calls = []

    def work(k: int, all_of_them: list[int]) -> int:
        calls.append(k)
        return k

    cache = Cache()
    arguments = {"k": {"from": "it"}, "all_of_them": {"from": "many"}}
    node = code(cache={"seconds": 60}, for_each="many", item="it", arguments=arguments)
    for many in ([1, 2], [1, 3]):
        result(node, {"work": work}, {"many": many, "it": 1, "k": 0}, cache=cache)
    assert calls == [1, 1]


class AgentFails(Answers):
    """The role `big` is told to fail; `small` answers."""

    async def ask(self, request, context, **given):
        if context.role == "big":
            raise Overloaded("e", "down")
        return await super().ask(request, context, **given)

    async def route(self, _context):
        model = SimpleNamespace(context_tokens=100_000, capabilities=frozenset({Capability.TOOLS}))
        return SimpleNamespace(targets=[SimpleNamespace(model=model)])


class Toolbox:
    """Tools by whether they have an effect; one that is not there cannot be reached."""

    def __init__(self, **effects):
        self.effects = effects

    async def tool(self, name):
        if name not in self.effects:
            raise NameUnknown("tool", name)
        return SimpleNamespace(spec=ToolSpec(name, "", {"type": "object"}, effect=self.effects[name]))


def failed_agent(tools, toolbox, *, steps=()):
    journal = MemoryJournal()

    async def record():
        for path in steps:
            await journal.begin(path, "tool", "digest")

    asyncio.run(record())
    node = {"kind": "agent", "role": "big", "prompt": "p.md", "output": "o", "tools": tools, "style": "native"}
    node |= {"retry": {"attempts": 1}, "fallback": {"role": "small"}}
    return result(node, {}, model_call=AgentFails(reply("instead")), toolbox=toolbox, journal=journal)


@pytest.mark.parametrize(
    ("tools", "steps"),
    [
        ({"look": False}, ["n/tool#1"]),
        ({"look": False, "send": True}, []),
        ({"look": False, "send": True}, ["n/fallback/tool#1"]),
    ],
)
def test_another_role_goes_on_for_an_agent_that_changed_nothing(tools, steps):
    found, events = failed_agent(list(tools), Toolbox(**tools), steps=steps)
    assert found == "instead"
    assert any(isinstance(each, FallbackTaken) for each in events)


def test_an_agent_that_made_an_effect_fails_and_no_other_role_makes_it_again():
    with pytest.raises(NodeFailed, match=r"down.*\n?.*no other role is asked instead, .* effect of 'send' once more"):
        failed_agent(["look", "send"], Toolbox(look=False, send=True), steps=["n/tool#1"])


def test_who_would_be_asked_is_looked_up_for_the_team_that_asks():
    class Routed(Answers):
        async def route(self, context):
            self.routed = context
            return SimpleNamespace(targets=[])

    answers = Routed(reply("word"))
    context = context_of({}, [], model_call=answers, cache=Cache())
    run = replace(context.run, team="red")
    node = {"kind": "model", "role": "r", "prompt": "p.md", "output": "o", "cache": {"seconds": 60}}
    asyncio.run(attempts_of(node).result(Visit("n", "n", "task", {"k": 1}, run, context.services)))
    assert answers.routed == answers.asked[0]
    assert answers.routed.team == "red"
