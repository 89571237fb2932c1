import asyncio
import re

import pytest

from harness.engines.embedded import RunOrder
from harness.exceptions import BindingsChanged
from harness.models.catalogue import builtin_catalogue
from harness.routing.bindings import BindingsFile, read_bindings
from harness.workflow.loading import load_workflow
from tests.cli.hello_project import HelloProject
from tests.cli.said import ended


@pytest.fixture
def project(tmp_path):
    return HelloProject(tmp_path)


def bound(said):
    return {row["place"]: row["model"] for row in said.lines}


def test_the_project_s_file_is_shown_before_anything_is_in_force_and_no_database_is_made(project):
    said = project.say("bindings", "--json")
    assert bound(said) == {"writer": "scripted", "judge": "scripted"}
    assert {row["version"] for row in said.lines} == {0}
    assert not project.home.exists()


def test_a_binding_is_shown_with_its_endpoint_price_and_version(project):
    assert project.say("bind", "writer", "smollm2-135m", "--fallback", "gpt-5-mini", "--reason", "try").code == 0
    rows = {row["place"]: row for row in project.say("bindings", "--json").lines}
    assert rows["writer"] == {
        "place": "writer",
        "workflow": None,
        "node": None,
        "role": "writer",
        "model": "smollm2-135m",
        "fallback": ["gpt-5-mini"],
        "endpoint": "local",
        "input_usd_per_million": "0",
        "output_usd_per_million": "0",
        "version": 2,
    }
    assert float(rows["judge"]["input_usd_per_million"]) == 0.15
    table = project.say("bindings").out
    assert "gpt-5-mini" in table
    assert "$0.15 / $0.60" in table
    assert "free" in table


def test_every_role_that_a_node_asks_can_be_bound_there(project):
    (project.folder / "write.md").write_text("Do it.")
    (project.folder / "workflow.yaml").write_text("""\
workflow: hello
state: {made: {type: any}}
nodes:
  think:
    kind: plan
    role: planner
    prompt: write.md
    workers: {draft: {description: drafts, role: drafter, prompt: write.md}}
    output: made
  act: {kind: agent, role: agent, prompt: write.md, output: made, fallback: {role: careful}}
start: think
edges: [{from: think, to: act}]
""")
    for place in ("hello/think", "hello/think:drafter", "hello/act:careful", "hello:agent"):
        assert project.say("bind", place, "smollm2-135m").code == 0, place
    places = bound(project.say("bindings", "--json"))
    assert {"hello/think:planner", "hello/think:drafter", "hello/act:careful", "hello:agent"} <= places.keys()
    assert project.say("bind", "hello/act:drafter", "smollm2-135m").code == 2


def test_a_node_is_bound_without_its_namesakes_by_the_role_its_workflow_gives_it(project):
    made = project.say("bind", "hello/judge", "smollm2-135m", "--json").object
    assert made["version"] == 2
    assert made["changes"] == [
        {"subject": "binding", "name": "hello/judge:judge", "before": None, "after": {"model": "smollm2-135m"}}
    ]
    assert bound(project.say("bindings", "--json"))["judge"] == "scripted"


def test_a_role_is_bound_within_one_workflow(project):
    project.say("bind", "hello:writer", "smollm2-135m")
    assert bound(project.say("bindings", "--json"))["hello:writer"] == "smollm2-135m"


@pytest.mark.parametrize(
    ("place", "model", "hint"),
    [
        ("writer", "smollm2", "smollm2-135m"),
        ("hello/jduge", "scripted", "judge"),
        ("helo/judge", "scripted", "hello"),
        ("hello:writter", "scripted", "writer"),
        ("hello/judge:writer", "scripted", "judge"),
        ("a b", "scripted", "WORKFLOW/NODE"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest_and_binds_nothing(project, place, model, hint):
    said = project.say("bind", place, model)
    assert said.code == 2
    assert said.out == ""
    assert hint in said.err
    assert "Traceback" not in said.err
    assert bound(project.say("bindings", "--json")) == {"writer": "scripted", "judge": "scripted"}


def test_an_unknown_fallback_or_one_named_twice_is_refused(project):
    assert "gpt-5-mini" in project.say("bind", "writer", "scripted", "--fallback", "gpt-5-mni").err
    assert project.say("bind", "writer", "scripted", "--fallback", "scripted").code == 2


UNPRICED = """
  twice:
    endpoint: scripted
    wire_name: a
    context_tokens: 8192
    capabilities: [json_schema]
    price: {free: true, source: made up, checked: 2026-11-24}
    also_at: [{endpoint: second, wire_name: b}]
"""


def test_a_model_without_a_price_where_it_is_asked_first_is_bound_with_a_note(project):
    text = project.bindings.read_text(encoding="utf-8").rstrip("\n")
    second = "endpoints:\n  second: {scripted_replies: replies.yaml}\n"
    project.bindings.write_text(text.replace("endpoints:\n", second) + UNPRICED, encoding="utf-8")
    project.say("apply")
    said = project.say("bind", "writer", "twice", "--endpoint", "second")
    assert said.code == 0
    assert "no price is known for 'twice' at 'second'" in said.err
    assert "'twice@second'" in said.err
    assert "price" not in project.say("bind", "writer", "twice").err
    assert "price" not in project.say("bind", "judge", "scripted").err
    # What is passed over stands in no worst case and stops no run.
    project.say("bind", "writer", "twice", "--endpoint", "second")
    assert project.say("run", "hello").code == 0


def test_a_role_that_no_workflow_asks_for_is_bound_with_a_note(project):
    said = project.say("bind", "writter", "scripted")
    assert said.code == 0
    assert "'writer'" in said.err


def test_a_change_acts_on_the_next_call_of_a_process_that_was_there_before(project):
    with project.bindings.open("a", encoding="utf-8") as file:
        price = "price: {free: true, source: made up, checked: 2026-11-24}"
        file.write(f"  second: {{endpoint: scripted, wire_name: second, context_tokens: 8192, {price}}}\n")

    async def called(running, loaded):
        version = (await running.binding_version()).version
        order = RunOrder(loaded, {}, "ada", None, project.folder, project.folder, version)
        run = await running.engine.record(order)
        await running.engine.advance(run.run_id, lambda _: None)
        entries = running.reports.run_entries("default", run.run_id)
        return {each.node: (each.model, each.binding_version) for each in entries if each.kind == "settle"}

    async def both():
        loaded = load_workflow(project.folder / "workflow.yaml")
        async with project.house() as running:
            before = await called(running, loaded)
            said = await asyncio.to_thread(lambda: ended(project.start("bind", "hello/write", "second")))
            assert said.code == 0
            return before, await called(running, loaded)

    before, after = asyncio.run(both())
    assert before == {"write": ("scripted", 1), "judge": ("scripted", 1)}
    assert after == {"write": ("second", 2), "judge": ("scripted", 2)}


def test_a_change_made_from_an_older_version_is_refused_whole(project):
    async def both() -> int:
        async with project.house() as one, project.house() as other:
            seen = await one.binding_version()
            await other.bindings.add("default", seen.bindings, made_by="grace", reason="first", replaces=seen.version)
            with pytest.raises(BindingsChanged):
                await one.bindings.add("default", BindingsFile(), made_by="ada", reason="", replaces=seen.version)
            return len(await one.bindings.history("default"))

    assert asyncio.run(both()) == 2


def test_binds_at_the_same_time_lose_no_update(project):
    project.say("apply")
    roles = ["alpha", "beta", "gamma"]
    processes = [project.start("bind", role, "scripted") for role in roles]
    said = [ended(process) for process in processes]
    done = [role for role, each in zip(roles, said, strict=True) if each.code == 0]
    refused = [each for each in said if each.code != 0]
    assert done
    assert all("look at them again" in each.err and "Traceback" not in each.err for each in refused)
    assert set(bound(project.say("bindings", "--json"))) == {"writer", "judge", *done}
    assert len(project.say("bindings", "--history", "--json").lines) == 1 + len(done)


def test_applying_makes_a_version_once_and_shows_what_changed(project):
    assert project.say("apply", "--json").object["changed"] is True
    again = project.say("apply", "--json")
    assert again.object["changed"] is False
    assert again.object["changes"] == []
    assert "nothing new" in again.err
    text = project.bindings.read_text(encoding="utf-8")
    project.bindings.write_text(text.replace("judge, model: scripted", "judge, model: smollm2-135m"), encoding="utf-8")
    said = project.say("apply", "--reason", "cheaper")
    assert said.out.strip() == "~ binding judge: scripted -> smollm2-135m"
    assert project.say("bindings", "--history", "--json").lines[0]["reason"] == "cheaper"


def test_a_file_with_a_mistake_is_refused_by_its_place_and_nothing_is_in_force(project):
    project.bindings.write_text("bindings:\n  - {role: writer, model: gpt-5-mni}\n", encoding="utf-8")
    said = project.say("apply")
    assert said.code == 3
    assert "bindings.yaml:2:" in said.err
    assert "gpt-5-mini" in said.err
    assert project.say("bindings", "--history", "--json").out == ""


def test_drift_ends_with_one_and_no_drift_with_zero(project):
    project.say("apply")
    assert project.say("diff").code == 0
    project.say("bind", "writer", "smollm2-135m")
    said = project.say("diff", "--json")
    assert said.code == 1
    assert said.object["equal"] is False
    assert said.object["changes"] == [
        {
            "subject": "binding",
            "name": "writer",
            "before": {"model": "smollm2-135m"},
            "after": {"model": "scripted"},
        }
    ]


def test_writing_back_ends_the_drift_and_keeps_comments_endpoints_and_models(project):
    project.say("apply")
    before = project.bindings.read_text(encoding="utf-8")
    project.say("bind", "writer", "smollm2-135m")
    said = project.say("bind", "--export", "--json")
    assert said.object["kept_comments"] is True
    expected = before.replace("role: writer, model: scripted", "role: writer, model: smollm2-135m")
    assert project.bindings.read_text(encoding="utf-8") == expected
    assert project.say("diff").code == 0
    assert [each.name for each in project.folder.iterdir() if each.name.startswith(".bindings")] == []


def test_what_only_the_file_has_is_kept_and_named(project):
    project.say("apply")
    with project.bindings.open("a", encoding="utf-8") as file:
        file.write("  mine: {endpoint: scripted, wire_name: mine, context_tokens: 10}\n")
    said = project.say("bind", "--export", "--json")
    assert said.object["only_in_file"] == ["model mine"]
    assert "mine" in read_bindings(project.bindings, builtin_catalogue()).models


def test_bindings_are_exported_to_a_new_file_and_to_stdout(project, tmp_path):
    project.say("bind", "writer", "smollm2-135m")
    fresh = tmp_path / "fresh.yaml"
    assert project.say("bind", "--export", str(fresh)).code == 0
    written = read_bindings(fresh, builtin_catalogue())
    assert written.resolve("writer").model == "smollm2-135m"
    assert "scripted" in written.models
    assert project.say("bind", "--export", "-").out == fresh.read_text(encoding="utf-8")


def test_a_rollback_is_a_new_version_with_the_old_content(project):
    project.say("apply")
    project.say("bind", "writer", "smollm2-135m")
    assert project.say("bindings", "--rollback", "1", "--json").object["version"] == 3
    assert bound(project.say("bindings", "--json"))["writer"] == "scripted"
    history = project.say("bindings", "--history", "--json").lines
    assert [row["version"] for row in history] == [3, 2, 1]
    assert history[0]["reason"] == "rolled back to version 1"
    assert history[0]["made_by"] == "ada"
    assert "smollm2-135m -> scripted" in project.say("bindings", "--history").out


def test_a_version_that_is_not_there_is_refused(project):
    project.say("apply")
    said = project.say("bindings", "--rollback", "9")
    assert said.code == 2
    assert "'1'" in said.err


def test_models_show_context_price_and_whether_the_key_is_there(project, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-of-the-test")
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    with project.bindings.open("a", encoding="utf-8") as file:
        file.write("  unpriced: {endpoint: scripted, wire_name: u, context_tokens: 10}\n")
    said = project.say("models", "--json")
    rows = {row["model"]: row for row in said.lines}
    assert (rows["gpt-5-mini"]["key_present"], rows["mistral-small"]["key_present"]) == (True, False)
    assert rows["smollm2-135m"]["key_present"] is None
    assert rows["unpriced"]["input_usd_per_million"] is None
    assert float(rows["scripted"]["output_usd_per_million"]) == 0.6
    table = project.say("models").out
    assert "unknown price" in table
    assert "missing (MISTRAL_API_KEY)" in table
    assert "secret-of-the-test" not in table + said.out


def test_without_a_project_a_node_needs_its_role_and_a_file_its_name(tmp_path, monkeypatch):
    project = HelloProject(tmp_path)
    (project.folder / "harness.yaml").write_text("workflows: {}\n", encoding="utf-8")
    said = project.say("bind", "hello/judge", "smollm2-135m")
    assert said.code == 2
    assert "hello/judge:ROLE" in said.err
    assert project.say("bind", "hello/judge:judge", "smollm2-135m").code == 0
    assert project.say("apply").code == 2
    assert project.say("diff", "nowhere.yaml").code == 2


PLACED = """
  placed:
    endpoint: scripted
    wire_name: placed
    context_tokens: 8192
    price: {free: true, source: made up, checked: 2026-11-24}
    also_at: [{endpoint: groq, wire_name: placed-too, price: {free: true, source: made up, checked: 2026-11-24}}]
  round: {endpoint: scripted, wire_name: round, context_tokens: 8192, fallback: [placed]}
"""


@pytest.fixture
def placed(project):
    text = project.bindings.read_text(encoding="utf-8").rstrip("\n")
    project.bindings.write_text(text + PLACED, encoding="utf-8")
    return project


def preferred(project):
    return {row["place"]: row["endpoint"] for row in project.say("bindings", "--json").lines}["writer"]


def test_a_binding_prefers_one_of_its_model_s_endpoints_until_it_is_taken_back(placed):
    assert placed.say("bind", "writer", "placed").code == 0
    assert preferred(placed) == "scripted"
    made = placed.say("bind", "writer", "placed", "--endpoint", "groq", "--json").object
    assert made["changes"] == [{"subject": "binding", "name": "writer", "before": {}, "after": {"endpoint": "groq"}}]
    assert preferred(placed) == "groq"
    assert placed.say("bind", "writer", "placed", "--endpoint", "groq").err.startswith("nothing new")
    exported = placed.say("bind", "--export", "-").out
    assert "endpoint: groq" in exported
    assert placed.say("bindings", "--rollback", str(made["version"] - 1)).code == 0
    assert preferred(placed) == "scripted"


def test_an_endpoint_that_does_not_serve_the_model_is_answered_with_those_that_do(placed):
    said = placed.say("bind", "writer", "placed", "--endpoint", "openai")
    assert said.code == 2
    assert "'scripted' or 'groq'" in said.err
    assert bound(placed.say("bindings", "--json"))["writer"] == "scripted"


def test_fallbacks_that_go_round_are_refused_by_bind_apply_and_check(placed):
    said = placed.say("bind", "writer", "placed", "--fallback", "round")
    assert said.code == 3
    assert "binding writer: fallbacks go round: placed -> round -> placed" in said.err
    assert placed.say("bind", "writer", "round", "--fallback", "placed").code == 0
    with placed.bindings.open("a", encoding="utf-8") as file:
        file.write("  self: {endpoint: scripted, wire_name: self, context_tokens: 8192, fallback: [self]}\n")
    for command in ("apply", "check", "diff"):
        said = placed.say(command)
        assert said.code == 3, command
        assert "fallbacks go round: self -> self" in said.out + said.err
        assert re.search(r"bindings\.yaml:\d+:\d+: models\.self\.fallback\[0\]", said.out + said.err)


def test_what_a_run_may_cost_counts_each_endpoint_of_its_models(placed):
    def worst(*words):
        assert placed.say("bind", "hello/write", *words).code == 0
        (checked,) = (each for each in placed.say("check", "--json").object["files"] if each["worst_case"])
        return next(node for node in checked["worst_case"]["nodes"] if node["node"] == "write")

    alone, doubled = worst("scripted"), worst("placed")
    assert doubled["models"] == ["placed"]
    assert doubled["total"]["calls"] == 2 * alone["total"]["calls"]
    assert worst("placed", "--endpoint", "groq")["total"] == doubled["total"]
    both = worst("placed", "--fallback", "scripted")
    assert both["models"] == ["placed", "scripted"]
    assert both["total"]["calls"] == 3 * alone["total"]["calls"]
