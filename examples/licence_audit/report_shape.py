"""The shape of `report.json`, which others may rely on: fields are added, never renamed.

Amounts are numbers rounded to nano-units, which JSON's doubles carry exactly enough up to millions. Where no task is
completed, the cost of one is null, never zero.
"""

from pydantic import BaseModel, ConfigDict

from .checks import Verdict
from .licence_files import Status
from .licences import Copyleft


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageLine(_Shape):
    """One package.

    Args:
        found: the answer that was accepted; None where a person is needed.
        by_model: the model that answered last; None where none was asked.
        attempts: sends to models for this package.
        answers: what models said, in order; None where an answer was outside its shape.
    """

    name: str
    version: str
    declared: str | None
    found: str | None
    verdict: Verdict
    by_model: str | None
    attempts: int
    answers: tuple[str | None, ...]
    reason: str


class Totals(_Shape):
    """What the run has cost so far, by the ledger; `completed` and `failed` count packages."""

    calls: int
    input_tokens: int
    output_tokens: int
    usd: float
    usd_per_completed: float | None
    completed: int
    failed: int


class Agreement(_Shape):
    """How often models' answers agree with what is declared, of `declared` packages."""

    declared: int
    first_answer_right: int
    last_answer_right: int
    accepted: int


class CopyleftWarning(_Shape):
    """A licence that asks something of the work around it, and what the warning rests on."""

    package: str
    spdx: str
    copyleft: Copyleft
    basis: str


class ObligationLine(_Shape):
    """A duty in a model's words, with words of the licence text of `package`."""

    spdx: str
    duty: str
    quote: str
    package: str


class FileNote(_Shape):
    """A licence file that was not simply read."""

    package: str
    path: str
    status: Status
    encoding: str | None
    size: int | None


class Budget(_Shape):
    """A limit on this run; amounts in its unit."""

    scope: str
    unit: str
    period: str
    limit: float
    spent: float
    held: float
    resets_at: str | None


class Report(_Shape):
    """The whole report."""

    run_id: str
    packages: tuple[PackageLine, ...]
    totals: Totals
    agreement: Agreement
    copyleft: tuple[CopyleftWarning, ...]
    obligations: tuple[ObligationLine, ...]
    quotes_refused: int
    files: tuple[FileNote, ...]
    budgets: tuple[Budget, ...]
