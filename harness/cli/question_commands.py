"""The commands `approve` and `questions`: what waits for a person, and the person's answer."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from harness.assembly import Harness
from harness.cli.advancing import advance
from harness.cli.answering import GivenAnswer, answer_from_terminal, chosen_on_terminal
from harness.cli.completion import run_ids
from harness.cli.context import CommandContext, context_of
from harness.cli.exit_codes import ExitCode
from harness.cli.global_options import Commands
from harness.cli.output import Column, Output, time_text
from harness.cli.question_views import first_words, question_lines, question_object, short_digest
from harness.cli.readable_values import folded
from harness.cli.recorded import has_state, recorded_run
from harness.engines.run_store import typed_run_id
from harness.exceptions import AnswerRefused, LeaseHeld, NameUnknown
from harness.json_values import Json
from harness.workflow.nodes.asking_people import shows_what_it_says
from harness.workflow.nodes.questions import AskedQuestion

commands = Commands()


@commands.command("questions")
def questions(ctx: typer.Context) -> None:
    """List what waits for a person in the organisation, the oldest first. `harness approve RUN` shows one whole."""
    context = context_of(ctx)

    async def body(harness: Harness) -> Sequence[AskedQuestion]:
        return await harness.questions.open() if has_state(harness) else ()

    context.output.rows(
        context.work(body),
        [
            Column("question", lambda row: row.question_id),
            Column("run", lambda row: row.root_run_id),
            Column("workflow", lambda row: row.workflow),
            Column("node", lambda row: row.question.node),
            Column("kind", lambda row: row.question.kind.value),
            Column("asked", lambda row: time_text(row.asked_at)),
            Column("expires", lambda row: time_text(row.question.expires_at)),
            Column("to", lambda row: ", ".join(row.question.to) or "anybody"),
            Column("digest", lambda row: short_digest(row.question.digest)),
            Column("text", first_words),
        ],
        as_object=question_object,
        empty="nothing waits for a person",
    )


@commands.command("approve")
def approve(
    ctx: typer.Context,
    run_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run, or the beginning of its id; not needed where one waits.",
            autocompletion=run_ids,
        ),
    ] = None,
    question: Annotated[
        str | None, typer.Argument(metavar="[QUESTION]", help="One of its questions, where several wait.")
    ] = None,
    approved: Annotated[bool | None, typer.Option("--yes/--no", help="Approve, or refuse.")] = None,
    comment: Annotated[str | None, typer.Option("--comment", metavar="TEXT", help="Goes with --yes or --no.")] = None,
    answer: Annotated[
        str | None,
        typer.Option("--answer", metavar="JSON", help="A typed answer; @FILE reads it, @- from the standard input."),
    ] = None,
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="HEX", help="Answer only what has this digest, or begins so: what you saw."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Answer all questions of the run alike.")] = False,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Let the run go on here and now.")] = True,
) -> None:
    """Show what a run waits for, take a person's answer, and let the run go on.

    On a terminal the answer is asked for. Elsewhere the options give it; without them what waits is printed, and the
    exit code is 5. What is approved is shown whole and by its digest: an answer never counts for anything else.
    """
    context = context_of(ctx)
    given = GivenAnswer(approved, comment, answer, digest)
    given.require_sense(several=every)
    waiting = context.work(lambda harness: _waiting(harness, run_id))
    asking = not given.said and _is_terminal(context.output)
    chosen = _chosen(context.output, waiting, question, given.said, asking=asking, every=every)
    if not given.said and not asking:
        _print_questions(context.output, chosen)
        raise typer.Exit(ExitCode.WAITS_FOR_PERSON)
    answers = [(asked, _answer_to(context.output, asked, given, asking=asking)) for asked in chosen]
    taken = [(asked, value) for asked, value in answers if value is not None or not asking]
    if not taken:
        raise typer.Exit(ExitCode.WAITS_FOR_PERSON)
    raise typer.Exit(context.work(lambda harness: _record(context, harness, taken, resume=resume)))


async def _waiting(harness: Harness, typed: str | None) -> Sequence[AskedQuestion]:
    if typed is None:
        return await _of_the_one_that_waits(harness)
    run = await recorded_run(harness, typed)
    waiting = await harness.questions.open(run.run_id)
    if not waiting:
        raise NameUnknown("open question of run", run.run_id)
    return waiting


async def _of_the_one_that_waits(harness: Harness) -> Sequence[AskedQuestion]:
    waiting = await harness.questions.open() if has_state(harness) else ()
    runs = list(dict.fromkeys(asked.root_run_id for asked in waiting))
    if not runs:
        raise typer.BadParameter("no run waits for an answer")
    if len(runs) > 1:
        raise typer.BadParameter(f"several runs wait: name one of {', '.join(runs)} (`harness questions`)")
    return waiting


def _is_terminal(output: Output) -> bool:
    return sys.stdin.isatty() and output.messages.is_terminal and not output.as_json


def _chosen(
    output: Output,
    waiting: Sequence[AskedQuestion],
    typed: str | None,
    said: bool,
    *,
    asking: bool,
    every: bool,
) -> Sequence[AskedQuestion]:
    """The questions that are meant; where several could be, the person at the terminal says which."""
    if typed is not None:
        found = [asked for asked in waiting if asked.question_id.startswith(typed_run_id(typed))]
        if len(found) != 1:
            raise NameUnknown("open question", typed, [asked.question_id for asked in found or waiting][:5])
        return found
    if len(waiting) == 1 or every or not (said or asking):
        return waiting
    listed = [f"{asked.question_id}  {asked.question.path}: {first_words(asked)}" for asked in waiting]
    for place, line in enumerate(listed, 1):
        output.say(f"{place}. {line}")
    if not asking:
        raise typer.BadParameter("several questions wait: name one of them, or answer them alike by --all")
    number = chosen_on_terminal(output, len(waiting))
    return waiting if number is None else [waiting[number - 1]]


def _print_questions(output: Output, waiting: Sequence[AskedQuestion]) -> None:
    for place, asked in enumerate(waiting):
        if output.as_json:
            output.event(question_object(asked))
        else:
            output.text("\n".join([*([""] if place else []), *question_lines(asked)]))


def _answer_to(output: Output, asked: AskedQuestion, given: GivenAnswer, *, asking: bool) -> Json:
    """The answer to one question, which is shown first.

    Raises:
        AnswerRefused: it is not the question that was seen, its digest is not of what it shows, or the answer is
            outside its schema.
    """
    if output.as_json:
        output.event(question_object(asked))
    else:
        for line in folded(question_lines(asked), output.messages.width):
            output.say(line)
    if not shows_what_it_says(asked.question):
        raise AnswerRefused(asked.question_id, "its digest is not of what it shows: it was changed where it is kept")
    given.require_seen(asked)
    return answer_from_terminal(output, asked) if asking else given.answer_to(asked)


async def _record(
    context: CommandContext, harness: Harness, answers: Sequence[tuple[AskedQuestion, Json]], *, resume: bool
) -> ExitCode:
    """Record the answers, then let the runs go on that waited for them: those that somebody started."""
    output, person = context.output, harness.settings.person
    for asked, value in answers:
        digest = asked.question.digest
        await harness.questions.answer(asked.question_id, value, digest=digest, person=person)
        if output.as_json:
            output.event(
                {
                    "event": "answer_recorded",
                    "question_id": asked.question_id,
                    "run_id": asked.run_id,
                    "digest": digest,
                    "person": person,
                }
            )
        else:
            output.say(f"question {asked.question_id} is answered by {person}")
    roots = tuple(dict.fromkeys(asked.root_run_id for asked, _ in answers))
    if not resume:
        for root in roots:
            output.say(f"let it go on: `{context.command(f'resume {root}')}`")
        return ExitCode.DONE
    return max([await _go_on(context, harness, root) for root in roots])


async def _go_on(context: CommandContext, harness: Harness, run_id: str) -> ExitCode:
    """Let a run go on; one whose other branches are still at work elsewhere finds the answer when it is resumed."""
    try:
        return await advance(context, harness, await harness.runs.run(run_id))
    except LeaseHeld as held:
        context.output.problem(f"the answer is kept, but run {run_id} is still advanced by {held.owner}")
        context.output.say(f"once it has stopped there: `{context.command(f'resume {run_id}')}`")
        return ExitCode.LEASE_HELD
