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
