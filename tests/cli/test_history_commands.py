def run_of(greet):
    return greet("run", "greet", "--json").lines[-1]["run_id"]


def test_runs_are_listed_newest_first_with_what_they_cost(greet):
    assert "there are no runs" in greet("runs").err
    first, second = run_of(greet), run_of(greet)
    rows = greet("runs", "--json").lines
    assert [row["run_id"] for row in rows] == [second, first]
    assert {row["costs"]["usd"] for row in rows} == {"0.00002"}
    assert greet("runs", "--json", "--limit", "1").object["run_id"] == second
    assert greet("runs", "--status", "failed", "--json").out == ""
    assert "none completed" in greet("runs").out


def test_a_run_is_shown_by_the_beginning_of_its_id(greet):
    run_id = run_of(greet)
    shown = greet("show", run_id[:10], "--json").object
    assert shown["status"] == "completed"
    assert shown["nodes"] == [
        {"node": "write", "done": True, "visits": None, "calls": 1, "tokens": 15, "usd": "0.00002"}
    ]
    assert greet("show", run_id, "--state", "--json").object["greeting"] == "Hello"
    assert [line["kind"] for line in greet("show", run_id, "--entries", "--json").lines] == ["hold", "settle"]
    text = greet("show", run_id).out
    assert "node write: done; 1 call, 15 tokens, $0.00002" in text


def test_an_unknown_run_is_misuse(greet):
    run_of(greet)
    said = greet("show", "zzzz")
    assert (said.code, said.out) == (2, "")
    assert "zzzz" in said.err


def test_the_last_word_on_an_outcome_counts(greet):
    run_id = run_of(greet)
    good = greet("outcome", run_id, "--success", "--evidence", "kind enough", "--json").object
    assert good["costs"]["usd_per_completed"] == "0.00002"
    said = greet("outcome", run_id, "--failure", "--evidence", "not kind")
    assert "none completed, 1 failed" in said.out
    assert greet("outcome", run_id, "--success").code == 2
    assert greet("outcome", run_id, "--success", "--evidence", "x", "--value", "much").code == 2


def test_where_nothing_was_recorded_looking_makes_nothing(greet, empty):
    for words in (["runs"], ["runs", "prune", "--older-than", "1h", "--yes"], ["costs"], ["questions"], ["resume"]):
        assert greet(*words).code == 0, words
    for words in (["show", "x"], ["costs", "--run", "x"], ["approve", "x"], ["cancel", "x"], ["fork", "x", "--at", "1"],
                  ["outcome", "x", "--success", "--evidence", "e"], ["resume", "x"]):  # fmt: skip
        assert greet(*words).code == 2, words
    assert not (empty.folder / ".harness").exists()


def test_runs_that_ended_long_ago_are_pruned_and_newer_ones_stay(greet):
    run_id = run_of(greet)
    assert greet("runs", "prune", "--older-than", "1h", "--yes", "--json").object["runs"] == 0
    would = greet("runs", "prune", "--older-than", "0h", "--dry-run", "--json").object
    assert (would["dry_run"], would["runs"]) == (True, 1)
    assert would["checkpoints"] > 0
    assert len(greet("show", run_id, "--json").object["history"]) == 2
    said = greet("runs", "prune", "--older-than", "0h", "--yes")
    assert "of 1 run" in said.out
    assert greet("show", run_id, "--state", "--json").object["greeting"] == "Hello"
    assert greet("runs", "prune", "--older-than", "0h", "--mode", "all", "--yes").code == 0
    assert greet("show", run_id).code == 2
    assert greet("costs", "--json").lines[-1]["calls"] == 1


def test_pruning_asks_how_old_and_whether_to_go_on(greet):
    run_id = run_of(greet)
    said = greet("runs", "prune", "--yes")
    assert said.code == 2
    assert "retention_days" in said.err
    assert greet("runs", "prune", "--yes", HARNESS_RETENTION_DAYS="30").code == 0
    said = greet("runs", "prune", "--older-than", "0h")
    assert said.code == 2
    assert "--yes" in said.err
    for words in (["--older-than", "soon"], ["--older-than", "1d", "--status", "running"]):
        assert greet("runs", "prune", "--yes", *words).code == 2
    assert len(greet("show", run_id, "--json").object["history"]) == 2


def test_options_of_the_list_stand_beside_its_own_command(greet):
    run_id = run_of(greet)
    assert greet("runs", "--status", "completed", "--json").object["run_id"] == run_id
    assert "prune" in greet("runs", "--help").out
