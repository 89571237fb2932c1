"""The commands `memory search`, `memory show` and `memory verify`: what was learned, and where it came from."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, time_text
from memory import Hit, Kind, MemoryRecord, Scope, SearchResult
from memory.verify import Disagreement
from ontology.yaml_documents import shorten

commands = Commands()
memory = Commands(help="Search what was learned.")
commands.add_typer(memory, name="memory")

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class HitRow:
    """A record that was found, and how."""

    hit: Hit
    degraded: str | None

    def as_object(self) -> dict[str, object]:
        """As programs read it."""
        found = self.hit
        scores = {"score": found.score, "lexical": found.lexical, "dense": found.dense, "why": found.why}
        return {**scores, "degraded": self.degraded, **record_object(found.record)}


def record_object(record: MemoryRecord) -> dict[str, object]:
    """A record as programs read it; trust by its name."""
    return {**asdict(record), "trust": record.trust.label}


@memory.command("search")
def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Words, or a question.")],
    k: Annotated[int, typer.Option("--k", min=1, help="So many records at most.")] = 10,
    kind: Annotated[list[Kind] | None, typer.Option("--kind", help="Only of this kind; can be repeated.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each score is made of.")] = False,
) -> None:
    """Find records by their words and their meaning, the best first; only what you may see.

    While the vector index is down the answer is by words alone, and says so.
    """
    context = context_of(ctx)

    async def body(harness: Harness) -> SearchResult:
        kinds = kind or None
        return await asyncio.to_thread(
            lambda: harness.memory.search(query, _scope(context), k=k, kinds=kinds, explain=explain)
        )

    found = context.work(body)
    columns = [
        Column("score", lambda row: f"{row.hit.score:.2f}", right=True),
        Column("kind", lambda row: row.hit.record.kind),
        Column("trust", lambda row: row.hit.record.trust.label),
        Column("text", lambda row: shorten(" ".join(row.hit.record.text.split()), _SHOWN_CHARACTERS)),
        Column("source", lambda row: row.hit.record.provenance.source),
        Column("record", lambda row: row.hit.record.record_id),
    ]
    if explain:
        columns.append(Column("why", lambda row: row.hit.why or "-"))
    rows = [HitRow(hit, found.degraded) for hit in found.hits]
    context.output.rows(rows, columns, as_object=HitRow.as_object, empty="nothing fits")
    if found.degraded:
        context.output.say(f"by words alone: {found.degraded}", style="yellow")


@memory.command("show")
def show(ctx: typer.Context, record: Annotated[str, typer.Argument(metavar="RECORD", help="Its identifier.")]) -> None:
    """Show one record: its text, whom it is for, where it came from and how far to trust it; and its versions."""
    context = context_of(ctx)
    scope = _scope(context)

    async def body(harness: Harness) -> tuple[MemoryRecord, list[MemoryRecord]]:
        return await asyncio.to_thread(
            lambda: (harness.memory.record(record, scope), harness.memory.versions(record, scope))
        )

    found, versions = context.work(body)
    context.output.record(
        {**record_object(found), "versions": [record_object(each) for each in versions]}, _shown(found, versions)
    )


@memory.command("verify")
def verify(
    ctx: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make missing vectors from the record, remove those without one.")
    ] = False,
) -> None:
    """Compare the vectors with the record. Exit code 0 where they agree (afterwards, with --repair), else 1.

    Vectors that are still owed are no fault: --repair makes them too.
    """
    context = context_of(ctx)

    async def body(harness: Harness) -> list[Disagreement]:
        return await asyncio.to_thread(lambda: harness.memory.verify(repair=repair))

    found = context.work(body)
    context.output.rows(
        found,
        [
            Column("organisation", lambda row: row.organisation),
            Column("records", lambda row: f"{row.records:,}", right=True),
            Column("owed", lambda row: f"{row.pending:,}", right=True),
            Column("missing", lambda row: f"{len(row.missing):,}", right=True),
            Column("orphans", lambda row: f"{len(row.orphans):,}", right=True),
            Column("", lambda row: "agrees" if row.clean else "differs"),
        ],
        as_object=lambda row: {**asdict(row), "clean": row.clean},
        empty="there are no records",
    )
    if not all(each.clean for each in found):
        if not repair:
            context.output.say("mend it: `harness memory verify --repair`")
        raise typer.Exit(1)


def _scope(context: CommandContext) -> Scope:
    """What a person reads: what is for everyone in the organisation, and their own."""
    return Scope(organisation=context.settings.organisation, person=context.settings.person)


def _shown(record: MemoryRecord, versions: list[MemoryRecord]) -> str:
    origin, scope = record.provenance, record.scope
    levels = (scope.team, scope.person, scope.agent, scope.session)
    said = {
        "record": record.record_id,
        "kind": record.kind,
        "for": " / ".join([scope.organisation, *(each for each in levels if each)]),
        "author": record.author,
        "trust": record.trust.label,
        "sensitivity": record.sensitivity,
        "about": ", ".join(record.subjects),
        "source": f"{origin.source} {origin.place}".rstrip(),
        "run": origin.run_id,
        "step": origin.step,
        "model": origin.model,
        "quote": origin.quote,
        "made from": ", ".join(record.lineage),
        "confidence": None if record.confidence is None else f"{record.confidence:g}",
        "valid": _span(record),
        "expires": time_text(record.expires_at) if record.expires_at else None,
        "recorded": f"{time_text(record.recorded_at)} for {origin.principal}",
        "versions": str(len(versions)),
    }
    lines = [f"{name:<12} {value}" for name, value in said.items() if value]
    return "\n".join([*lines, "", record.text])


def _span(record: MemoryRecord) -> str | None:
    if record.valid_from is None and record.valid_to is None:
        return None
    return f"{time_text(record.valid_from)} until {time_text(record.valid_to)}"
