"""An agent over everything real: the metered call, scripted models, the journals, the questions, Python tools.

A process that dies is an exception that nothing catches, raised before or after something is written down; the next
one finds the same databases and nothing else.
"""

import asyncio
import random
import shutil
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from harness.connections import EndpointConnections
from harness.engines.run_limits import MoneyRunLimits
from harness.exceptions import NameUnknown
from harness.ledger.hold_leases import HoldLeases
from harness.local_models.launcher import LocalModelServers
from harness.model_call import ModelCall
from harness.models.catalogue import Capability, Endpoint, Model, builtin_catalogue
from harness.models.prices import PriceBook, PriceOverride
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bound_router import BoundRouter
from harness.storage.databases import Databases
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.sql_questions import AskingRun, SqlQuestions, SqlRunQuestions
from harness.storage.sql_run_store import SqlRunStore
from harness.storage.sql_step_journal import SqlStepJournal
from harness.tools.python_tool import PythonTool, traits_said_by
from harness.tools.redaction import Redactor
from harness.workflow.loading import workflow_from_spec
from harness.workflow.nodes.agent.node import AgentNodeRunner
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.nodes.node_services import NodeServices, RunIdentity, Visit
from harness.workflow.spec import WorkflowSpec
from tests.storage.money_samples import rows_of
from tests.storage.run_samples import NEW

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
PRICE = PriceOverride(
    input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(2), source="here", checked=date(2026, 11, 1)
)
NATIVE = frozenset({Capability.TOOLS, Capability.JSON_SCHEMA})
BY_SCHEMA = frozenset({Capability.JSON_SCHEMA})
OWNER = "here:1"


class Died(BaseException):
    """The process is gone."""


class Death:
    """Comes at the so-manieth thing that is written down or called; never, unless it is told to."""

    def __init__(self, at=None):
        self.at = at
        self.passed = 0

    def passing(self):
        self.passed += 1
        if self.passed - 1 == self.at:
            raise Died


class MortalJournal:
    """The journal of a process that may die before and after each thing it writes."""

    def __init__(self, journal, death):
        self._journal = journal
        self._death = death

    async def begin(self, *given, **more):
        return await self._written(self._journal.begin(*given, **more))

    async def finish(self, *given):
        return await self._written(self._journal.finish(*given))

    async def fail(self, *given):
        return await self._written(self._journal.fail(*given))

    async def steps(self, prefix=""):
        return await self._journal.steps(prefix)

    async def _written(self, writing):
        try:
            self._death.passing()
        except Died:
            writing.close()
            raise
        result = await writing
        self._death.passing()
        return result


class Tools:
    """A toolbox of Python functions, with what was called and under which keys."""

    def __init__(self, *functions, **named):
        self.death = Death()
        self.calls = []
        self._functions = {each.__name__: each for each in functions} | named

    async def tool(self, name):
        if name not in self._functions:
            raise NameUnknown("tool", name)
        function = self._functions[name]
        traits = traits_said_by(function)
        return _Counted(PythonTool(name, function, traits, context_type=NodeContext, redactor=Redactor(())), self)


class _Counted:
    def __init__(self, tool, tools):
        self._tool = tool
        self._tools = tools
        self.spec = tool.spec

    async def call(self, call):
        self._tools.death.passing()
        self._tools.calls.append((self.spec.name, call.arguments, call.idempotency_key))
        result = await self._tool.call(call)
        self._tools.death.passing()
        return result


class House:
    """The stores of one organisation, and the agents that work in them."""

    def __init__(self, home):
        self.home = home
        self.now = NOW
        self.databases = Databases(home)
        self.runs = SqlRunStore(
            self.databases.runs_writer, organisation="acme", clock=self.clock, new_id=self._next_run_id
        )
        self.bindings = SqlBindingStore(self.databases.runs_writer, clock=self.clock)
        self.money = SqlMoneyStore(self.databases.money_writer, dialect="sqlite")
        self.questions = SqlQuestions(self.databases.runs_writer, organisation="acme", clock=self.clock)
        self.leases = HoldLeases(self.money, clock=self.clock)
        self.connections = EndpointConnections(
            folder=home, environment={}, local_models=LocalModelServers(home / "logs")
        )
        self.call = ModelCall(
            router=BoundRouter(self.bindings, builtin_catalogue()),
            connections=self.connections,
            money=self.money,
            prices=PriceBook,
            leases=self.leases,
            clock=self.clock,
            monotonic=time.monotonic,
            new_id=self._next_id,
        )
        self.events = []
        self._numbers = iter(range(1, 100_000))

    def clock(self):
        return self.now

    def _next_id(self):
        return f"id-{next(self._numbers):05}"

    def _next_run_id(self):
        # The alphabet of run ids has no letter that could be misread.
        return f"{next(self._numbers):016}"

    async def bind(self, replies, *models, can=NATIVE, context_tokens=100_000, role="agent"):
        """Let scripted models answer the role, the first unless it fails; `replies` is a YAML list."""
        file = self.home / f"replies-{self._next_id()}.yaml"
        file.write_text(f"replies:\n{replies}")
        models = models or ("scripted",)
        known = {
            name: Model(
                endpoint=file.stem, wire_name=name, context_tokens=context_tokens, capabilities=can, price=PRICE
            )
            for name in models
        }
        await self.bind_file(
            BindingsFile(
                bindings=(Binding(role=role, model=models[0], fallback=models[1:]),),
                endpoints={file.stem: Endpoint(scripted_replies=file.name)},
                models=known,
            )
        )

    async def bind_file(self, bindings):
        current = await self.bindings.current("acme")
        version = current.version if current else None
        await self.bindings.add("acme", bindings, made_by="ada", reason="", replaces=version)

    async def begun(self, tools, *, prompt="Do it.", values=None, files=None, **node):
        """A run that has come to an agent, and has not begun it."""
        recorded = await self.runs.record(NEW)
        given = {"kind": "agent", "role": "agent", "prompt": "p.md", "output": "out"} | node
        given.setdefault("tools", list(tools._functions))
        spec = {"workflow": "w", "state": {"out": {}}, "nodes": {"a": given}, "start": "a"}
        loaded = workflow_from_spec(WorkflowSpec.model_validate(spec), {"p.md": prompt} | (files or {}))
        return Begun(self, recorded.run_id, tools, AgentNodeRunner(loaded, "a", loaded.spec.nodes["a"]), values or {})

    async def answered(self, tools, **node):
        """What an agent comes to, without anything in its way."""
        return await (await self.begun(tools, **node)).advanced()

    def sends(self, run_id):
        """Requests that left, in their order: the ordinals of their questions."""
        sql = "SELECT call_id FROM entries WHERE kind = 'hold' AND run_id = :run_id ORDER BY seq"
        return [row[0] for row in rows_of(self.databases.money, sql, run_id=run_id)]

    async def close(self):
        await self.leases.close()
        await self.connections.close()
        await asyncio.to_thread(self.databases.close)


class Begun:
    """A run at its agent."""

    def __init__(self, house, run_id, tools, runner, values):
        self.house = house
        self.run_id = run_id
        self.tools = tools
        self.runner = runner
        self.values = values
        self.times = 0
        self.requests = []

    async def advanced(self, death=None, *, stream=False, **changes):
        """One process takes the run on, until it ends, waits or dies."""
        death = death or Death()
        self.tools.death = death
        house = self.house
        await house.runs.claim(self.run_id, owner=OWNER, lease_seconds=60)
        run = RunIdentity(
            self.run_id, "w", self.run_id, "acme", "ada", None, house.home, house.home, resumed=self.times > 0
        )
        self.times += 1
        visit = Visit("a", "a", self.run_id, self.values, run, self._services(death, stream, **changes))
        return await self.runner.run(visit)

    def _services(self, death, stream, **changes):
        house = self.house
        writer = house.databases.runs_writer
        journal = SqlStepJournal(
            writer,
            organisation="acme",
            run_id=self.run_id,
            person="ada",
            owner=OWNER,
            clock=house.clock,
            row_lock="",
        )
        asking = AskingRun("acme", self.run_id, self.run_id, "w", "ada")
        return replace(
            NodeServices(
                model_call=_Listening(house.call, self.requests),
                resolve=lambda _name: None,
                toolbox=self.tools,
                findings=lambda: None,
                recollection=lambda: None,
                journal=MortalJournal(journal, death),
                questions=SqlRunQuestions(writer, run=asking, clock=house.clock),
                cache=None,
                children=None,
                limits=MoneyRunLimits(house.money, "acme", self.run_id, "ada", house.clock, house._next_id),
                ledger=None,
                start_task=None,
                on_event=house.events.append,
                clock=house.clock,
                monotonic=time.monotonic,
                sleep=asyncio.sleep,
                random=random.Random(1),
                stream=stream,
            ),
            **changes,
        )


class _Listening:
    """The metered call, and what was asked of it that was answered."""

    def __init__(self, call, requests):
        self._call = call
        self._requests = requests
        self.route = call.route

    async def ask(self, request, context, **more):
        answer = await self._call.ask(request, context, **more)
        self._requests.append((context.ordinal, request, answer.replayed))
        return answer


class Houses:
    """Houses of which each begins empty, copied from one with its tables, because making those takes longest."""

    def __init__(self, folder):
        self._folder = folder
        self._made = 0

    def __call__(self, scenario):
        """What a scenario of (house) comes to."""
        home = self._folder / f"home-{self._made}"
        if self._made:
            shutil.copytree(self._folder / "home-0", home)
        self._made += 1

        async def whole():
            house = House(home)
            try:
                return await scenario(house)
            finally:
                await house.close()

        if self._made == 1:
            asyncio.run(_opened_once(home))
            return self(scenario)
        return asyncio.run(whole())


async def _opened_once(home):
    house = House(home)
    assert house.databases.money
    assert house.databases.runs
    await house.close()
