"""The report as a person reads it, in Markdown."""

from collections.abc import Iterable, Sequence

from .checks import Verdict
from .report_shape import Report
from .visible_text import markdown_cell

_WORDS = {Verdict.AGREED: "agreed", Verdict.UNDECLARED: "undeclared", Verdict.NEEDS_PERSON: "needs a person"}


def markdown(report: Report) -> str:
    """The same facts as the JSON, none added."""
    sections = (
        f"# Licence audit\n\nRun `{report.run_id}`.",
        _summary(report),
        _packages(report),
        _for_a_person(report),
        _copyleft(report),
        _obligations(report),
        _files(report),
        _costs(report),
    )
    return "\n\n".join(sections) + "\n"


def _summary(report: Report) -> str:
    agreement = report.agreement
    counts = ", ".join(
        f"{sum(line.verdict is verdict for line in report.packages)} {words}" for verdict, words in _WORDS.items()
    )
    return (
        f"{len(report.packages)} packages: {counts}.\n\n"
        f"Agreement with the declared licences, measured: the first answer was right for "
        f"{agreement.first_answer_right} of {agreement.declared}, the last answer for "
        f"{agreement.last_answer_right} of {agreement.declared}; {agreement.accepted} of {agreement.declared} passed "
        f"the check. What did not pass is listed for a person, never guessed."
    )


def _packages(report: Report) -> str:
    rows = (
        (
            line.name,
            line.version,
            line.declared or "nothing",
            line.found or "open",
            _WORDS[line.verdict],
            line.by_model or "none asked",
            str(line.attempts),
        )
        for line in report.packages
    )
    return "## Packages\n\n" + _table(("name", "version", "declared", "found", "verdict", "by model", "attempts"), rows)


def _for_a_person(report: Report) -> str:
    rows = [
        (line.name, ", ".join(each or "unreadable" for each in line.answers) or "none", line.reason)
        for line in report.packages
        if line.verdict is Verdict.NEEDS_PERSON
    ]
    return "## Needs a person\n\n" + (_table(("name", "answers", "why"), rows) if rows else "Nothing.")


def _copyleft(report: Report) -> str:
    rows = [(each.package, each.spdx, each.copyleft.value, each.basis) for each in report.copyleft]
    return "## Copyleft\n\n" + (_table(("name", "licence", "reach", "because"), rows) if rows else "No warning.")


def _obligations(report: Report) -> str:
    rows = [(each.spdx, each.duty, each.quote, each.package) for each in report.obligations]
    table = _table(("licence", "duty, in a model's words", "words of the text", "text of"), rows) if rows else "None."
    return f"## Obligations\n\n{table}\n\nRefused because the quote is not in the text or obliges to nothing: {report.quotes_refused}."


def _files(report: Report) -> str:
    rows = [
        (each.package, each.path, each.status.value, each.encoding or "", "" if each.size is None else f"{each.size:,}")
        for each in report.files
    ]
    table = _table(("name", "file", "status", "encoding", "bytes"), rows) if rows else "All were read as UTF-8."
    return f"## Licence files out of the ordinary\n\n{table}"


def _costs(report: Report) -> str:
    totals = report.totals
    per_task = "none completed" if totals.usd_per_completed is None else _dollars(totals.usd_per_completed)
    rows = [
        (
            each.scope,
            each.period,
            f"{_plain(each.spent)} of {_plain(each.limit)} {each.unit}",
            _plain(each.held),
            each.resets_at or "never",
        )
        for each in report.budgets
    ]
    budgets = _table(("whose", "period", "used", "held", "resets"), rows) if rows else "No limit applies."
    return (
        f"## Costs\n\n{totals.calls} calls, {totals.input_tokens} input and {totals.output_tokens} output tokens, "
        f"{_dollars(totals.usd)}. Cost a completed task: {per_task} ({totals.completed} completed, {totals.failed} not)."
        f"\n\n{budgets}"
    )


def _dollars(amount: float) -> str:
    return f"${_plain(amount)}"


def _plain(amount: float) -> str:
    """Without an exponent and without zeros that say nothing."""
    return f"{amount:.9f}".rstrip("0").rstrip(".")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads)]
    shown = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([*shown, *(f"| {' | '.join(markdown_cell(cell) for cell in row)} |" for row in rows)])
