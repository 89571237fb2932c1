"""The parts of the house, joined from settings: stores, routing, the metered call, memory, tools.

Nothing here is global and nothing is decided here; parts are made when first asked for, so that a command pays for
what it uses. The engine, and what a program does with it, is in `assembly.py`.
"""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from harness.connections import EndpointConnections
from harness.dialects.known_dialects import EMBEDDING_DIALECTS
from harness.embedding_call import EmbeddingCall
from harness.engines.run_store import RunStore, new_run_id
from harness.exceptions import BindingsChanged, ConfigurationInvalid, NameUnknown
from harness.ledger.hold_leases import HoldLeases
from harness.ledger.money_store import MoneyStore
from harness.ledger.reports import CostReports
from harness.local_models.launcher import LocalModelServers
from harness.metering.attempts import Attempts, Resilience
from harness.metering.endpoint_health import EndpointHealth
from harness.metering.metered_send import MeteredSends
from harness.model_call import ModelCall
from harness.models.catalogue import Catalogue, builtin_catalogue
from harness.models.prices import PriceBook, read_price_overrides
from harness.project import Project
from harness.routing.binding_store import BindingStore, BindingVersion
from harness.routing.bindings import BindingsFile, read_bindings
from harness.routing.bound_router import BoundRouter
from harness.routing.retry_policy import RetryPolicy
from harness.settings import Settings
from harness.storage.databases import Databases
from harness.storage.sql_binding_store import SqlBindingStore
from harness.storage.sql_cost_reports import SqlCostReports
from harness.storage.sql_money_store import SqlMoneyStore
from harness.storage.sql_questions import SqlQuestions
from harness.storage.sql_rate_limiter import SqlRateLimiter
from harness.storage.sql_run_store import SqlRunStore
from harness.storage.sql_tool_approvals import SqlToolApprovals
from harness.tools.allowed_hosts import HttpBlock
from harness.tools.tool_approvals import ToolApprovals
from harness.tools.toolbox import ProjectToolbox, RegisteredTools
from harness.workflow.nodes.findings import FindingsStore
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.nodes.questions import Questions
from harness.workflow.nodes.recollection import Recollection
from memory import MemoryStore
from ontology import EntityStore, Schema, load_schema
from ontology.sql_entity_store import SqlEntityStore

if TYPE_CHECKING:  # loaded where a project has servers of tools
    from harness.integrations.mcp_toolbox import McpToolbox

PRICES_FILE = "prices.yaml"


def utc_now() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


def _random_id() -> str:
    return secrets.token_hex(16)


def _owner() -> str:
    # With some chance in it: containers that share a home can have one host name and one process number.
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Ambient:
    """What comes from outside the program: time, chance, the environment. Tests bring their own."""

    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    new_id: Callable[[], str] = _random_id
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Random = field(default_factory=Random)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    owner: str = field(default_factory=_owner)


class Parts:
    """Everything one process needs, for one project and one person; closed once.

    Args:
        project: None where there is no harness.yaml; then there are no tools, no code and no ontology.
    """

    def __init__(self, settings: Settings, project: Project | None, ambient: Ambient) -> None:
        self.settings = settings
        self.project = project
        self._ambient = ambient
        url = settings.database_url.get_secret_value() if settings.database_url else None
        if url is not None and not url.startswith("postgresql"):
            raise ConfigurationInvalid(
                "database_url", url, settings.origin_of("database_url"), "it is for PostgreSQL; set `home` for SQLite"
            )
        self.databases = Databases(settings.home, url, power_safe=settings.durability == "power")

    async def close(self) -> None:
        """Close what was opened; idempotent."""
        made = self.__dict__
        if "toolbox" in made:
            await self.toolbox.close()
        if made.get("mcp") is not None:
            await made["mcp"].close()
        if "leases" in made:
            await self.leases.close()
        if "connections" in made:
            await self.connections.close()
        if "memory" in made:
            await asyncio.to_thread(self.memory.close)
        await asyncio.to_thread(self.databases.close)

    @property
    def organisation(self) -> str:
        """Whose everything is."""
        return self.settings.organisation

    @cached_property
    def catalogue(self) -> Catalogue:
        """The built-in endpoints and models."""
        return builtin_catalogue()

    @cached_property
    def prices(self) -> PriceBook:
        """The project's price overrides over the catalogue and genai-prices."""
        path = self.project.prices_path if self.project else None
        if path is not None:
            return read_price_overrides(path)
        folder = self.project.folder if self.project else Path()
        return PriceBook(overrides_file=str(folder / PRICES_FILE))

    @cached_property
    def money(self) -> MoneyStore:
        """Holds, settlements, the journal, limits, tasks."""
        return SqlMoneyStore(self.databases.money_writer, dialect=self.databases.money.dialect.name)

    @cached_property
    def reports(self) -> CostReports:
        """What business cost."""
        return SqlCostReports(self.databases.money)

    @cached_property
    def bindings(self) -> BindingStore:
        """Which model fills which role."""
        return SqlBindingStore(self.databases.runs_writer, clock=self._ambient.clock)

    @cached_property
    def runs(self) -> RunStore:
        """The runs of the organisation."""
        return SqlRunStore(
            self.databases.runs_writer,
            organisation=self.organisation,
            clock=self._ambient.clock,
            new_id=lambda: new_run_id(self._ambient.clock(), secrets.randbits(64)),
        )

    @cached_property
    def leases(self) -> HoldLeases:
        """Keeps the holds of calls in flight alive."""
        return HoldLeases(self.money, clock=self._ambient.clock)

    @cached_property
    def connections(self) -> EndpointConnections:
        """Endpoints, with the servers of local models."""
        return EndpointConnections(
            folder=self.project.folder if self.project else Path.cwd(),
            environment=self._ambient.environment,
            local_models=LocalModelServers(self.settings.home / "logs"),
            chat_model=self.project.chat_model if self.project else None,
        )

    @cached_property
    def model_call(self) -> ModelCall:
        """The one metered call."""
        return ModelCall(
            router=BoundRouter(self.bindings, self.catalogue),
            connections=self.connections,
            money=self.money,
            prices=lambda: self.prices,
            leases=self.leases,
            clock=self._ambient.clock,
            monotonic=self._ambient.monotonic,
            new_id=self._ambient.new_id,
            resilience=self.resilience,
        )

    @cached_property
    def resilience(self) -> Resilience:
        """How calls meet failures and rate limits: what endpoints let through is kept with the money."""
        return Resilience(
            policy=RetryPolicy(
                attempts=self.settings.call_attempts, deadline_seconds=self.settings.call_deadline_seconds
            ),
            limiter=SqlRateLimiter(self.databases.money_writer),
            health=EndpointHealth(self._ambient.monotonic),
            clock=self._ambient.clock,
            monotonic=self._ambient.monotonic,
            sleep=self._ambient.sleep,
            random=self._ambient.random,
        )

    @cached_property
    def embedding_call(self) -> EmbeddingCall:
        """The metered call for texts that become vectors."""
        sends = MeteredSends(
            money=self.money,
            prices=lambda: self.prices,
            leases=self.leases,
            clock=self._ambient.clock,
            monotonic=self._ambient.monotonic,
            new_id=self._ambient.new_id,
        )
        return EmbeddingCall(
            router=BoundRouter(self.bindings, self.catalogue),
            connections=self.connections,
            sends=sends,
            attempts=Attempts(sends, self.resilience),
            dialects=EMBEDDING_DIALECTS,
        )

    @cached_property
    def schema(self) -> Schema | None:
        """The project's ontology; None where it names none."""
        path = self.project.ontology_path if self.project else None
        return load_schema(path) if path else None

    @cached_property
    def entities(self) -> EntityStore:
        """Things and what is said of them."""
        return SqlEntityStore.open(self.databases.memory, self._ambient.clock)

    @cached_property
    def memory(self) -> MemoryStore:
        """What was learned. Imports the vector index, so only where it is needed."""
        from memory.chroma_index import ChromaIndex
        from memory.wordllama_embedder import WordLlamaEmbedder

        return MemoryStore(
            self.databases.memory,
            ChromaIndex(self.settings.home / "vectors"),
            WordLlamaEmbedder(),
            self._ambient.clock,
            self._ambient.new_id,
        )

    @cached_property
    def questions(self) -> Questions:
        """What people are asked, and their answers."""
        return SqlQuestions(self.databases.runs_writer, organisation=self.organisation, clock=self._ambient.clock)

    @cached_property
    def tool_approvals(self) -> ToolApprovals:
        """Which tools of which servers were let in."""
        return SqlToolApprovals(self.databases.runs_writer, organisation=self.organisation, clock=self._ambient.clock)

    @cached_property
    def mcp(self) -> "McpToolbox | None":
        """The tools of the project's MCP servers; None where it has none. A server is reached when one is asked for."""
        if self.project is None or not self.project.file.mcp_servers:
            return None
        from harness.integrations.mcp_toolbox import McpToolbox

        return McpToolbox(
            self.project.file.mcp_servers,
            self.tool_approvals,
            environment=self._ambient.environment,
            folder=self.project.folder,
            person=self.settings.person,
            monotonic=self._ambient.monotonic,
        )

    @cached_property
    def toolbox(self) -> ProjectToolbox:
        """The registered tools; none without a project."""
        if self.project is not None:
            return self.project.toolbox(environment=self._ambient.environment, mcp=self.mcp)
        nothing = RegisteredTools({}, {}, _no_function, NodeContext, HttpBlock().hosts())
        return ProjectToolbox(nothing, environment=self._ambient.environment, mcp=None)

    @cached_property
    def recollection(self) -> Recollection:
        """The memory as nodes use it."""
        from harness.remembering.recollection import MemoryRecollection

        return MemoryRecollection(self.memory)

    @cached_property
    def findings(self) -> FindingsStore | None:
        """Where findings go; None where the project has no ontology."""
        if self.schema is None:
            return None
        from harness.remembering.findings import FindingsInMemory

        return FindingsInMemory(self.schema, self.entities, self.memory)

    async def binding_version(self) -> BindingVersion:
        """The bindings in force; the project's file becomes the first version where there is none yet."""
        current = await self.bindings.current(self.organisation)
        if current is not None:
            return current
        path = self.project.bindings_path if self.project else None
        seed = read_bindings(path, self.catalogue) if path else BindingsFile()
        reason = f"seeded from {path.name}" if path else "nothing bound yet"
        try:
            return await self.bindings.add(
                self.organisation, seed, made_by=self.settings.person, reason=reason, replaces=None
            )
        except BindingsChanged:
            # Another process came first; what it bound must not be undone by a seed.
            current = await self.bindings.current(self.organisation)
            assert current is not None
            return current


def _no_function(name: str) -> Callable[..., object]:
    raise NameUnknown("tool", name)
