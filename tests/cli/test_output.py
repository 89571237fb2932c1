"""What a command does when nobody reads what it prints."""

import pytest

from tests.cli.said import ended


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_a_reader_that_went_away_stops_no_run(greet, form):
    process = greet.start("run", "greet", "--input", "guest=Ada", *form)
    process.stdout.close()
    process.stdout = None
    said = ended(process)
    assert said.code == 0, said.err
    assert "completed" in greet("runs", "--json").out
