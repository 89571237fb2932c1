"""What a command's exit code says, and which error ends with which.

Scripts and schedulers rely on these numbers: one is never given another meaning.
"""

from collections.abc import Iterator
from enum import IntEnum

from harness.exceptions import (
    AnswerRefused,
    BudgetExceeded,
    ConfigurationInvalid,
    ContextTooLong,
    HarnessError,
    LeaseHeld,
    LimitInvalid,
    MigrationRefused,
    MoneyError,
    NameUnknown,
    PriceUnknown,
    ProviderError,
    Refused,
    RequestRefused,
    RoleUnbound,
    RunCancelled,
    RunInterrupted,
    SpecificationInvalid,
    WaitsForPerson,
)
from memory.exceptions import MemoryStoreError, QueryRefused, RecordNotFound
from ontology.exceptions import EntityNotFound, OntologyError, QueryInvalid, YamlInvalid


class ExitCode(IntEnum):
    """The numbers."""

    DONE = 0
    RUN_FAILED = 1  # also: anything else that went wrong, a fault of ours among it
    MISUSE = 2  # the command line or a setting
    SPECIFICATION_INVALID = 3
    BUDGET_REFUSED = 4
    WAITS_FOR_PERSON = 5
    PROVIDER_UNAVAILABLE = 6  # or its key
    LEASE_HELD = 7
    INTERRUPTED = 130


# The first line that fits counts, so a class stands before its parents.
_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (SpecificationInvalid, ExitCode.SPECIFICATION_INVALID),
    (RoleUnbound, ExitCode.SPECIFICATION_INVALID),
    (PriceUnknown, ExitCode.SPECIFICATION_INVALID),
    (NameUnknown, ExitCode.MISUSE),
    (ConfigurationInvalid, ExitCode.MISUSE),
    (LimitInvalid, ExitCode.MISUSE),
    (BudgetExceeded, ExitCode.BUDGET_REFUSED),
    (MoneyError, ExitCode.RUN_FAILED),
    (WaitsForPerson, ExitCode.WAITS_FOR_PERSON),
    # Another hour does not mend these three: the provider is there and said no to what it was asked.
    (ContextTooLong, ExitCode.RUN_FAILED),
    (Refused, ExitCode.RUN_FAILED),
    (RequestRefused, ExitCode.RUN_FAILED),
    (ProviderError, ExitCode.PROVIDER_UNAVAILABLE),
    (LeaseHeld, ExitCode.LEASE_HELD),
    (AnswerRefused, ExitCode.MISUSE),
    (MigrationRefused, ExitCode.SPECIFICATION_INVALID),
    (RunCancelled, ExitCode.INTERRUPTED),
    (RunInterrupted, ExitCode.INTERRUPTED),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (YamlInvalid, ExitCode.SPECIFICATION_INVALID),
    (QueryInvalid, ExitCode.MISUSE),
    (QueryRefused, ExitCode.MISUSE),
    (EntityNotFound, ExitCode.MISUSE),
    (RecordNotFound, ExitCode.MISUSE),
)

# The roots of the packages' own errors, which say by themselves what to do.
_OURS = (HarnessError, MemoryStoreError, OntologyError)


def exit_code_of(error: BaseException) -> ExitCode:
    """The code an error ends with: its own, else that of what caused it (a failed node's provider), else 1."""
    for each in causes(error):
        for kind, code in _CODES:
            if isinstance(each, kind):
                return code
    return ExitCode.RUN_FAILED


def exit_code_of_run(error: BaseException | None) -> ExitCode:
    """The code of a run that ended so; a name that a run did not find is the run's failure, not the command line's."""
    code = ExitCode.DONE if error is None else exit_code_of(error)
    return ExitCode.RUN_FAILED if code is ExitCode.MISUSE else code


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    seen: set[int] = set()
    here: BaseException | None = error
    while here is not None and id(here) not in seen:
        seen.add(id(here))
        yield here
        here = here.__cause__


def is_expected(error: BaseException) -> bool:
    """Whether the error is one of the packages' own; any other that comes this far is a fault of ours."""
    return isinstance(error, _OURS)
