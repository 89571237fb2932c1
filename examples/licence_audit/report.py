"""The report of one audit, `licence-audit/report.md` and `report.json` in the working folder.

What it costs comes from the ledger alone, who answered from the run; the words of packages and models are shown so
that none can pose as the report's own. How the Markdown looks is left to `report_markdown`.
"""

import json
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.workflow.nodes.node_context import BudgetUse, NodeContext, RunCosts

from .authorship import Author, authors_of
from .checks import Check, Doubt, Verdict
from .excerpts import Question
from .expressions import agrees, parse
from .inventory import Package
from .licences import Copyleft, known_licences
from .obligations import ObligationsOfLicence
from .report_markdown import markdown
from .report_shape import (
    Agreement,
    Budget,
    CopyleftWarning,
    FileNote,
    ObligationLine,
    PackageLine,
    Report,
    Totals,
)
from .visible_text import visible_line

TASK_KIND = "package_licence"
FOLDER = "licence-audit"


class ReportPlace(BaseModel):
    """Where the report is, and what it comes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    markdown: str
    json_file: str
    agreed: int
    undeclared: int
    needs_person: int


def report(
    packages: list[Package],
    questions: list[Question],
    doubts: list[Doubt],
    verdicts: list[Check],
    obligations: list[ObligationsOfLicence],
    context: NodeContext,
) -> ReportPlace:
    """Say how each package's task ended, read the costs, and write both files.

    Written whole or not at all: a reader never sees half a report, and a repeated step writes the same one.
    """
    for verdict in verdicts:
        success = verdict.verdict is not Verdict.NEEDS_PERSON
        context.ledger.outcome(TASK_KIND, verdict.name, success=success, evidence=f"verdict {verdict.verdict.value}")
    authors = authors_of(questions, doubts, context.answers)
    made = Report(
        run_id=context.run_id,
        packages=tuple(_line(verdict, authors.get(verdict.name)) for verdict in verdicts),
        totals=_totals(context.ledger.costs(TASK_KIND)),
        agreement=_agreement(verdicts),
        copyleft=tuple(warning for verdict in verdicts for warning in _copyleft(verdict)),
        obligations=tuple(_obligation_lines(obligations)),
        quotes_refused=sum(each.refused for each in obligations),
        files=tuple(_file_notes(packages)),
        budgets=tuple(_budget(each) for each in context.ledger.budgets()),
    )
    folder = context.working_folder / FOLDER
    _write(folder / "report.json", json.dumps(made.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    _write(folder / "report.md", markdown(made))
    counts = {each: sum(line.verdict is each for line in made.packages) for each in Verdict}
    return ReportPlace(
        markdown=str(folder / "report.md"),
        json_file=str(folder / "report.json"),
        agreed=counts[Verdict.AGREED],
        undeclared=counts[Verdict.UNDECLARED],
        needs_person=counts[Verdict.NEEDS_PERSON],
    )


def _line(verdict: Check, author: Author | None) -> PackageLine:
    return PackageLine(
        name=visible_line(verdict.name),
        version=visible_line(verdict.version),
        declared=verdict.declared,
        found=verdict.found,
        verdict=verdict.verdict,
        by_model=author.model if author else None,
        attempts=author.attempts if author else 0,
        answers=tuple(visible_line(each) if each is not None else None for each in verdict.answers),
        reason=visible_line(verdict.reason),
    )


def _totals(costs: RunCosts) -> Totals:
    return Totals(
        calls=costs.calls,
        input_tokens=costs.input_tokens,
        output_tokens=costs.output_tokens,
        usd=_number(costs.usd),
        usd_per_completed=None if costs.usd_per_completed is None else _number(costs.usd_per_completed),
        completed=costs.completed,
        failed=costs.failed,
    )


def _number(amount: Decimal) -> float:
    """An amount for JSON, to the nano-unit that the ledger counts in."""
    return float(round(amount, 9))


def _agreement(verdicts: Sequence[Check]) -> Agreement:
    """Answers against declarations: what the models said, before and after the check sent some back."""
    declared = [each for each in verdicts if each.declared is not None]
    return Agreement(
        declared=len(declared),
        first_answer_right=sum(_right(each, 0) for each in declared),
        last_answer_right=sum(_right(each, -1) for each in declared),
        accepted=sum(each.verdict is Verdict.AGREED for each in declared),
    )


def _right(verdict: Check, which: int) -> bool:
    answer = verdict.answers[which] if verdict.answers else None
    licence = known_licences().by_answer(answer) if answer is not None else None
    return licence is not None and verdict.declared is not None and agrees(parse(verdict.declared), licence)


def _copyleft(verdict: Check) -> list[CopyleftWarning]:
    """One warning a licence with copyleft: found and accepted, or standing in the text beside what was found."""
    name = visible_line(verdict.name)
    warnings: list[CopyleftWarning] = []
    for spdx, basis in (
        (verdict.found, "found"),
        *((each, "its words stand in the text") for each in verdict.also_in_text),
    ):
        licence = known_licences().by_answer(spdx) if spdx else None
        if licence is not None and licence.copyleft is not Copyleft.NONE:
            warnings.append(CopyleftWarning(package=name, spdx=licence.spdx, copyleft=licence.copyleft, basis=basis))
    return warnings


def _obligation_lines(obligations: Sequence[ObligationsOfLicence]) -> list[ObligationLine]:
    return [
        ObligationLine(
            spdx=each.spdx,
            duty=visible_line(each.duty),
            quote=visible_line(each.quote),
            package=visible_line(each.package),
        )
        for of in obligations
        for each in of.kept
    ]


def _file_notes(packages: Sequence[Package]) -> list[FileNote]:
    """The files that were not simply read as UTF-8."""
    return [
        FileNote(
            package=visible_line(package.name),
            path=visible_line(file.path),
            status=file.status,
            encoding=file.encoding,
            size=file.size,
        )
        for package in packages
        for file in package.files
        if file.status.value != "read" or file.encoding != "utf-8"
    ]


def _budget(use: BudgetUse) -> Budget:
    return Budget(
        scope=visible_line(use.scope),
        unit=use.unit,
        period=use.period,
        limit=_number(use.limit),
        spent=_number(use.spent),
        held=_number(use.held),
        resets_at=use.resets_at.isoformat() if use.resets_at is not None else None,
    )


def _write(path: Path, text: str) -> None:
    """Put a file in place in one step, over whatever was there; a link is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
