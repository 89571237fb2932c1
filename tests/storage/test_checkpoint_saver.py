"""The checkpoint saver keeps langgraph's promises on both databases, stores a value once, and survives a kill."""

import asyncio
import json
import operator
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from sqlalchemy import text

from harness.exceptions import NameUnknown, StateRefused
from harness.storage.checkpoint_saver import SqlCheckpointSaver
from harness.storage.transactions import Statement, TransactionWriter
from ontology.databases import open_database, sqlite_url

KILLED_PROCESS = Path(__file__).with_name("checkpointing_process.py")


@pytest.fixture
def saver(writer, clock):
    return SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)


def test_passes_the_conformance_suite_whole(writer, clock):
    @checkpointer_test(name="SqlCheckpointSaver")
    async def registered() -> AsyncGenerator[SqlCheckpointSaver, None]:
        yield SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)

    report = asyncio.run(validate(registered))

    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert len(report.results) == 8
    assert all(result.detected and result.passed for result in report.results.values())


class State(TypedDict):
    packages: list[str]
    findings: Annotated[list[str], operator.add]
    answer: str


def _graph(saver):
    """Fan out by Send, join two branches by a barrier, wait for a person."""

    def fan_out(state):
        return [Send("classify", {"package": name}) for name in state["packages"]]

    graph = StateGraph(State)
    graph.add_node("classify", lambda state: {"findings": [f"{state['package']}: MIT"]})
    graph.add_node("left", lambda _: {"findings": ["left"]})
    graph.add_node("right", lambda _: {"findings": ["right"]})
    graph.add_node("ask", lambda _: {"answer": interrupt({"question": "publish?"})})
    graph.add_conditional_edges(START, fan_out, ["classify"])
    graph.add_edge("classify", "left")
    graph.add_edge("classify", "right")
    graph.add_edge(["left", "right"], "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)


def _drive(saver, config: Any) -> tuple[Any, list[Any]]:
    graph = _graph(saver)
    graph.invoke({"packages": ["numpy", "rich"]}, config)
    assert graph.get_state(config).interrupts[0].value == {"question": "publish?"}
    result = _graph(saver).invoke(Command(resume="yes"), config)
    return result, [(each.values, each.next, each.metadata["step"]) for each in graph.get_state_history(config)]


def test_a_graph_that_fans_out_joins_and_waits_runs_as_with_langgraphs_own_saver(saver):
    config = {"configurable": {"thread_id": "run-1"}}

    assert _drive(saver, config) == _drive(InMemorySaver(), config)


def test_a_graph_runs_asynchronously_and_is_read_by_another_saver(saver, writer, clock):
    config: Any = {"configurable": {"thread_id": "run-1"}}

    async def drive():
        await _graph(saver).ainvoke({"packages": ["numpy"]}, config)
        other = SqlCheckpointSaver(writer, organisation="acme", person="grace", clock=clock)
        return await _graph(other).ainvoke(Command(resume="no"), config)

    assert asyncio.run(drive())["answer"] == "no"


def test_another_organisation_sees_and_drops_nothing(saver, writer, clock):
    config: Any = {"configurable": {"thread_id": "run-1"}}
    _graph(saver).invoke({"packages": ["numpy"]}, config)
    stranger = SqlCheckpointSaver(writer, organisation="other", person="ada", clock=clock)

    assert stranger.get_tuple(config) is None
    assert list(stranger.list(None)) == []
    stranger.delete_thread("run-1")
    stranger.delete_for_runs(["run-1"])
    assert saver.get_tuple(config) is not None


def _put(saver, parent: Any, values: dict[str, Any], changed: list[str], step: int) -> Any:
    checkpoint = empty_checkpoint()
    checkpoint["id"] = str(uuid6(clock_seq=step))
    checkpoint["channel_values"] = values
    checkpoint["channel_versions"] = {name: step if name in changed else 1 for name in values}
    versions = {name: checkpoint["channel_versions"][name] for name in changed}
    return saver.put(parent, checkpoint, {"source": "loop", "step": step, "parents": {}}, versions)


_THREAD: Any = {"configurable": {"thread_id": "run-1", "checkpoint_ns": ""}}


def _count(engine, table: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()


def test_an_unchanged_channel_is_stored_once_and_growth_is_linear(saver, engine, writer, clock):
    document = "x" * 100_000
    config = _put(saver, _THREAD, {"document": document, "n": "step 1"}, ["document", "n"], 1)
    for step in range(2, 50):
        config = _put(saver, config, {"document": document, "n": f"step {step}"}, ["n"], step)
    fresh = SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)  # which knows no parent
    config = _put(fresh, config, {"document": document, "n": "step 50"}, ["n"], 50)

    assert fresh.get_tuple(config).checkpoint["channel_values"] == {"document": document, "n": "step 50"}
    assert _count(engine, "payloads") == 51
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT sum(length(content)) FROM payloads")).scalar()
    assert stored < 101_000


class Growing(TypedDict):
    lines: Annotated[list[str], operator.add]
    notes: Annotated[dict[str, str], operator.or_]
    history: list[str]


def _growing_graph(saver, steps):
    def work(state):
        line = f"{len(state['lines'])}:" + "é" * 1000
        return {"lines": [line], "notes": {line[:9]: line}, "history": [*state["history"], line]}

    graph = StateGraph(Growing)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: "work" if len(state["lines"]) < steps else END, ["work", END])
    return graph.compile(checkpointer=saver)


def test_lists_and_mappings_that_grow_at_their_end_grow_the_database_in_line(saver, engine, writer, clock):
    config: Any = {"configurable": {"thread_id": "run-1"}, "recursion_limit": 200}
    start: Any = {"lines": [], "notes": {}, "history": []}
    result = _growing_graph(saver, 120).invoke(start, config)
    fresh = SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)

    assert fresh.get_tuple(config).checkpoint["channel_values"] == result
    history = [each.values for each in _growing_graph(fresh, 120).get_state_history(config)]
    assert [values.get("lines", []) for values in history] == [result["lines"][:n] for n in [*range(120, -1, -1), 0]]
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT sum(length(content)) FROM payloads")).scalar()
    assert stored < 120 * 4 * 4_000  # stored whole it would be 120 * 119 / 2 * 3_000: twelve times that


def test_a_long_value_is_copied_and_pruned_with_all_its_parts(saver, engine):
    config: Any = {"configurable": {"thread_id": "run-1"}, "recursion_limit": 200}
    start: Any = {"lines": [], "notes": {}, "history": []}
    result = _growing_graph(saver, 60).invoke(start, config)
    newest = saver.get_tuple(config)
    saver.put_writes(newest.config, [("history", result["history"])], "pending")
    saver.copy_thread("run-1", "run-2")
    saver.prune(["run-1"])
    kept = saver.get_tuple(config)
    saver.delete_thread("run-1")
    copy = saver.get_tuple({"configurable": {"thread_id": "run-2"}})
    saver.prune(["run-2"])
    pruned_copy = saver.get_tuple({"configurable": {"thread_id": "run-2"}})

    for found in (kept, copy, pruned_copy):
        assert found.checkpoint["channel_values"] == result
        assert found.pending_writes == [("pending", "history", result["history"])]
    saver.delete_thread("run-2")
    assert _count(engine, "payloads") == 0


def test_a_checkpoint_whose_parent_is_gone_is_stored_whole(saver):
    parent: Any = {"configurable": {**_THREAD["configurable"], "checkpoint_id": "gone"}}

    config = _put(saver, parent, {"document": "d", "n": 2}, ["n"], 2)

    assert saver.get_tuple(config).checkpoint["channel_values"] == {"document": "d", "n": 2}


def test_text_of_people_stands_in_payloads_alone(saver, engine):
    graph = _graph(saver)
    graph.invoke(
        {"packages": ["Ada's secret"]},
        {"configurable": {"thread_id": "run-1"}, "metadata": {"title": "Ada's secret"}},
    )

    with engine.connect() as connection:
        for table in ("checkpoints", "checkpoint_writes"):
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()
            assert rows
            assert "secret" not in repr(rows)
        assert "secret" in repr(connection.execute(text("SELECT content FROM payloads")).all())


def test_erased_text_is_missed_by_name(saver, writer):
    config = _put(saver, _THREAD, {"document": "erase me"}, ["document"], 1)

    def erase():
        yield Statement("DELETE FROM payloads")

    writer.run_blocking(erase)
    with pytest.raises(NameUnknown, match="no payload"):
        saver.get_tuple(config)


@pytest.mark.parametrize("drop", ["prune", "delete", "for_runs"])
def test_dropping_checkpoints_drops_their_payloads_and_no_others(saver, engine, drop):
    config = _THREAD
    for step in range(1, 6):
        config = _put(
            saver, config, {"document": "same", "n": f"step {step}"}, ["n"] if step > 1 else ["n", "document"], step
        )
    saver.put_writes(config, [("n", "pending")], "task")
    other = _put(saver, {"configurable": {"thread_id": "run-2", "checkpoint_ns": ""}}, {"n": "step 1"}, ["n"], 1)

    if drop == "prune":
        saver.prune(["run-1"])
    elif drop == "delete":
        saver.delete_thread("run-1")
    else:
        saver.delete_for_runs(["run-1"])

    assert saver.get_tuple(other).checkpoint["channel_values"] == {"n": "step 1"}
    if drop == "prune":
        kept = saver.get_tuple(_THREAD)
        assert kept.checkpoint["channel_values"] == {"document": "same", "n": "step 5"}
        assert kept.pending_writes == [("task", "n", "pending")]
        assert _count(engine, "payloads") == 4
    else:
        assert saver.get_tuple(_THREAD) is None
        assert _count(engine, "payloads") == 1
        assert _count(engine, "checkpoint_writes") == 0


def test_pruning_keeps_the_ancestors_a_delta_channel_is_rebuilt_from(saver):
    config = _put(saver, _THREAD, {"log": ["whole"], "n": "1"}, ["log", "n"], 1)
    for step in range(2, 5):
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=step))
        checkpoint["channel_versions"] = {"log": step}
        saver.put_writes(config, [("log", f"line {step}")], f"task-{step}")
        metadata: Any = {
            "source": "loop",
            "step": step,
            "parents": {},
            "counters_since_delta_snapshot": {"log": [1, 1]},
        }
        config = saver.put(config, checkpoint, metadata, {"log": step})

    before = saver.get_delta_channel_history(config=config, channels=["log"])
    saver.prune(["run-1"])

    assert saver.get_delta_channel_history(config=config, channels=["log"]) == before
    assert before["log"]["seed"] == ["whole"]
    assert [write[2] for write in before["log"]["writes"]] == ["line 2", "line 3", "line 4"]


def test_a_copied_thread_stands_when_its_source_is_dropped(saver):
    config: Any = {"configurable": {"thread_id": "run-1"}}
    _graph(saver).invoke({"packages": ["numpy"]}, config)
    saver.copy_thread("run-1", "run-2")
    saver.delete_for_runs(["run-1"])

    copy: Any = {"configurable": {"thread_id": "run-2"}}
    assert saver.get_tuple(config) is None
    assert _graph(saver).invoke(Command(resume="yes"), copy)["answer"] == "yes"


def test_state_that_checkpoints_do_not_carry_is_refused_and_nothing_is_stored(saver, engine):
    with pytest.raises(StateRefused, match="document"):
        _put(saver, _THREAD, {"document": Path("/etc"), "n": "text"}, ["document", "n"], 1)
    with pytest.raises(StateRefused, match="PosixPath"):
        saver.put_writes(
            {"configurable": {**_THREAD["configurable"], "checkpoint_id": "c"}}, [("n", "x"), ("p", Path("/"))], "t"
        )

    assert _count(engine, "payloads") == _count(engine, "checkpoints") == _count(engine, "checkpoint_writes") == 0


def test_hostile_objects_in_state_and_writes_come_back_as_plain_data_and_nothing_runs(saver, tmp_path):
    made = tmp_path / "made"
    hostile = [
        {"lc": kind, "type": "constructor", "id": ["os", "mkdir"], "args": [str(made)], "kwargs": {"path": str(made)}}
        for kind in (1, 2)
    ]
    config = _put(saver, _THREAD, {"document": hostile}, ["document"], 1)
    saver.put_writes(config, [("tool", hostile), ("__interrupt__", hostile)], "task")

    stored = saver.get_tuple(config)

    assert stored.checkpoint["channel_values"] == {"document": hostile}
    assert sorted(write[1:] for write in stored.pending_writes) == [("__interrupt__", hostile), ("tool", hostile)]
    assert not made.exists()


@pytest.mark.parametrize("content", ['{"$": "os.mkdir", "v": "made"}', "\x81\xa5state\xc7", "", "gASVCg=="])
def test_hostile_rows_are_refused_and_nothing_runs(saver, writer, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = _put(saver, _THREAD, {"document": "honest"}, ["document"], 1)
    before = set(tmp_path.iterdir())

    def overwrite():
        yield Statement("UPDATE payloads SET content = :content", {"content": content})

    writer.run_blocking(overwrite)
    with pytest.raises(StateRefused):
        saver.get_tuple(config)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_what_was_acknowledged_before_kill_9_is_there(tmp_path, clock):
    for round_number in range(3):
        database = tmp_path / str(round_number) / "runs.db"
        process = subprocess.Popen(
            [sys.executable, str(KILLED_PROCESS), str(database)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        acknowledged = [process.stdout.readline() for _ in range(20 + 37 * round_number)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.readlines()  # what was still in the pipe
        process.wait()
        process.stdout.close()
        last = json.loads([line for line in acknowledged if line.endswith("\n")][-1])

        engine = open_database(sqlite_url(database))
        writer = TransactionWriter(engine, name="after")
        saver = SqlCheckpointSaver(writer, organisation="acme", person="ada", clock=clock)
        found = saver.get_tuple({"configurable": {**_THREAD["configurable"], "checkpoint_id": last["checkpoint_id"]}})
        steps = [each.metadata["step"] for each in saver.list(_THREAD)]
        writer.close()
        engine.dispose()

        assert found.checkpoint["channel_values"] == {"text": f"step {last['step']}"}
        assert found.pending_writes == [("task", "text", f"write {last['step']}")]
        assert steps[0] - last["step"] in (0, 1)  # at most the one it was about to acknowledge
        assert sorted(steps) == list(range(steps[0] + 1))
