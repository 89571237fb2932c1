from datetime import UTC, datetime
from decimal import Decimal

import pytest

from harness import exceptions as harness_errors
from harness.cli.exit_codes import ExitCode, exit_code_of, exit_code_of_run, is_expected
from ontology.exceptions import YamlInvalid

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BUDGET = harness_errors.BudgetExceeded("person:ada", "usd", *[Decimal(1)] * 4, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (harness_errors.NodeFailed("r", "n", "why"), 1),
        (harness_errors.AnswerInvalid("r", "m", "why"), 1),
        (harness_errors.LimitOfRunReached("r", "steps", 3), 1),
        (harness_errors.NameUnknown("run", "x"), 2),
        (harness_errors.ConfigurationInvalid("a", "b", "c", "d"), 2),
        (harness_errors.LimitInvalid("a", "b", "c"), 2),
        (harness_errors.SpecificationInvalid(["x"]), 3),
        (harness_errors.RoleUnbound("r", None, None), 3),
        (harness_errors.PriceUnknown("m", "prices.yaml"), 3),
        (YamlInvalid(["x"]), 3),
        (BUDGET, 4),
        (harness_errors.WaitsForPerson("r", "n", "may I?"), 5),
        (harness_errors.Unreachable("e", "gone"), 6),
        (harness_errors.RateLimited("e", "slow"), 6),
        (harness_errors.KeyRefused("e", "no key"), 6),
        (harness_errors.ContextTooLong("e", "too long"), 1),
        (harness_errors.LeaseHeld("r", "host:1", NOW), 7),
        (harness_errors.AnswerRefused("q", "expired"), 2),
        (harness_errors.MigrationRefused("r", ["a node is gone"]), 3),
        (harness_errors.RunInterrupted("r"), 130),
        (harness_errors.RunCancelled("r", "ada"), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 1),
    ],
)
def test_each_error_has_its_code(error, code):
    assert exit_code_of(error) == code


def test_a_failed_node_ends_as_what_it_failed_of():
    failed = harness_errors.NodeFailed("r", "n", "why")
    failed.__cause__ = harness_errors.Unreachable("e", "gone")
    assert exit_code_of(failed) is ExitCode.PROVIDER_UNAVAILABLE


def test_a_circle_of_causes_ends():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert exit_code_of(first) is ExitCode.RUN_FAILED


def test_a_name_that_a_run_did_not_find_is_not_the_command_line_s_misuse():
    assert exit_code_of_run(harness_errors.NameUnknown("prompt variable", "x")) is ExitCode.RUN_FAILED
    assert exit_code_of_run(BUDGET) is ExitCode.BUDGET_REFUSED
    assert exit_code_of_run(None) is ExitCode.DONE


def test_errors_of_the_three_packages_are_expected_and_others_are_faults():
    assert is_expected(BUDGET)
    assert is_expected(YamlInvalid(["x"]))
    assert not is_expected(AssertionError())
