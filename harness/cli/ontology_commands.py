"""The commands `ontology query`, `ontology show` and `ontology check`: the things that are known."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.context import CommandContext, context_of
from harness.cli.global_options import Commands
from harness.cli.output import Column, time_text
from harness.exceptions import ConfigurationInvalid
from ontology import Answer, Answers, Assertion, Entity, Schema, ask, load_schema, parse_query
from ontology.object_types import ObjectType
from ontology.patterns import Direction
from ontology.query import LinkedEntity

commands = Commands()
ontology = Commands(help="Query the things that are known.")
commands.add_typer(ontology, name="ontology")


# So that "->link" is a word of the pattern and no option.
@ontology.command("query", context_settings={"ignore_unknown_options": True})
def query(
    ctx: typer.Context,
    pattern: Annotated[list[str], typer.Argument(metavar="PATTERN", help="In quotes, for the shell's sake.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many entities at most.")] = 50,
) -> None:
    """Show the entities that fit a pattern, with their links.

    'Package' is every package; 'Package name=requests ~http' one of that name in whose text that word stands;
    'Package ->has_licence License spdx=MIT' those that a link leads from, '<-' those that it leads to; '*' is any type.
    """
    context = context_of(ctx)

    async def body(harness: Harness) -> Answers:
        asked = parse_query(" ".join(pattern), harness.schema)
        return ask(harness.entities, harness.organisation, asked, limit=limit)

    found = context.work(body)
    for answer in found.answers:
        context.output.record(answer.model_dump(mode="json"), _shown(answer))
    if not found.answers:
        context.output.say("nothing fits")
    if found.more:
        context.output.say(f"there are more than {limit}: raise --limit, or ask more narrowly")


@ontology.command("show")
def show(ctx: typer.Context, entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Its identifier.")]) -> None:
    """Show one entity: its values, its links, and all that was ever said about it, by whom."""
    context = context_of(ctx)

    async def body(harness: Harness) -> tuple[Answer, list[Assertion]]:
        store, organisation = harness.entities, harness.organisation
        found = store.entity(organisation, entity)
        return Answer(entity=found, links=tuple(_links(harness, entity))), store.history(organisation, entity)

    answer, history = context.work(body)
    said = "\n".join(f"  {time_text(each.recorded_at)}  {_said(each)}" for each in history)
    context.output.record(
        {**answer.model_dump(mode="json"), "assertions": [each.model_dump(mode="json") for each in history]},
        f"{_shown(answer)}\n\nsaid about it:\n{said}",
    )


@ontology.command("check")
def check(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Default: the project's own.")
    ] = None,
) -> None:
    """Find every mistake in a schema, by file, line, column and key; show its types where there is none."""
    context = context_of(ctx)
    path = file or _own_file(context)
    schema = load_schema(path)
    if context.output.as_json:
        context.output.event({"file": path, "digest": schema.digest, **schema.model_dump(mode="json")})
    else:
        context.output.rows(
            list(schema.types.values()),
            [
                Column("type", lambda row: row.name),
                Column("is a", lambda row: ", ".join(row.ancestors) or "-"),
                Column("told apart by", lambda row: ", ".join(row.identity) or "-"),
                Column("properties", lambda row: ", ".join(row.properties) or "-"),
                Column("links", _link_names),
            ],
            as_object=lambda row: row,
            empty="it has no types",
        )
    context.output.say(_verdict(path, schema))


def _own_file(context: CommandContext) -> Path:
    own = context.project.ontology_path if context.project else None
    if own is None:
        where = "no harness.yaml was found" if context.project is None else "harness.yaml names no ontology"
        raise ConfigurationInvalid("FILE", "", where, "name a schema file")
    return own


def _verdict(path: Path, schema: Schema) -> str:
    return f"{path}: {schema.name} {schema.version}, {len(schema.types)} types, digest {schema.digest[:16]}"


def _link_names(row: ObjectType) -> str:
    return ", ".join(f"{name} -> {link.range}" for name, link in row.links.items()) or "-"


def _links(harness: Harness, entity_id: str) -> Iterable[LinkedEntity]:
    directions: tuple[Direction, ...] = ("out", "in")
    for direction in directions:
        links = harness.entities.links(harness.organisation, [entity_id], direction=direction)
        ends = [link.object_id if direction == "out" else link.subject_id for link in links]
        others = harness.entities.entities_by_id(harness.organisation, sorted(set(ends)))
        for link, end in zip(links, ends, strict=True):
            other = others.get(end)
            if other is not None:
                yield LinkedEntity(
                    direction=direction, link=link, other_id=end, other_type=other.type, other_name=other.name
                )


def _shown(answer: Answer) -> str:
    entity = answer.entity
    lines = [f"{entity.type} {entity.name}  [{entity.entity_id}]", *_values(entity)]
    for each in answer.links:
        arrow = f"-> {each.link.type}" if each.direction == "out" else f"<- {each.link.type}"
        lines.append(f"  {arrow} {each.other_type} {each.other_name}  [{each.other_id}]")
    return "\n".join(lines)


def _values(entity: Entity) -> Iterable[str]:
    for name, values in entity.properties.items():
        yield f"  {name}: {', '.join(map(str, values))}"


def _said(assertion: Assertion) -> str:
    what = assertion.object_id if assertion.value is None else assertion.value
    origin = assertion.provenance
    by = ", ".join(
        f"{name} {value}"
        for name, value in (("run", origin.run_id), ("step", origin.step), ("model", origin.model))
        if value
    )
    gone = f"; retracted by {assertion.retracted_by}: {assertion.retraction_reason}" if assertion.retracted_at else ""
    return f"{assertion.property} {what} ({origin.trust}, {origin.source}{f'; {by}' if by else ''}){gone}"
