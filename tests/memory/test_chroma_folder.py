"""Real processes on one vector folder: never corruption, never an acknowledged vector lost."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory.chroma_index import ChromaIndex
from memory.exceptions import VectorIndexUnavailable
from memory.file_locks import FileLock
from memory.spaces import collection_name

from .chroma_worker import SPACE, vector

ROOT = Path(__file__).parents[2]


class Worker:
    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("chroma_worker.py")), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def tell(self, command: str) -> None:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        return self.process.stdout.readline().strip()

    def ask(self, command: str) -> str:
        self.tell(command)
        return self.hear()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], Worker]]:
    workers: list[Worker] = []

    def start_one() -> Worker:
        workers.append(Worker(folder))
        return workers[-1]

    yield start_one
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if not pipe.closed:
                pipe.close()
    if folder.exists():
        wait_for_the_server_to_end(folder)


def wait_for_the_server_to_end(folder: Path) -> None:
    """The system wakes us when the server's lock is released, by its end."""
    with FileLock(folder / "server.lock").holding():
        pass


def acknowledged(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("acknowledged")]


@pytest.mark.slow
def test_two_processes_share_a_server_and_a_kill_loses_no_acknowledged_vector(folder, start):
    first, second = start(), start()
    assert first.ask("write before 1").endswith("embedded")
    assert second.ask("write joined 1").endswith("served")

    first.tell("write a 200")
    second.tell("write b 200")
    heard = [first.hear() for _ in range(120)]
    first.kill()
    heard += first.process.stdout.read().splitlines()
    heard += [second.hear() for _ in range(200)]
    assert all(line.endswith("served") for line in heard)
    second.end()
    wait_for_the_server_to_end(folder)
    assert not (folder / "server.json").exists()

    keys = ["before0", "joined0", *acknowledged(heard)]
    assert len(keys) >= 322
    index = ChromaIndex(folder)
    stored = set(index.ids("acme", SPACE))
    assert stored >= set(keys)
    assert [key for key in keys if index.query("acme", SPACE, vector(key), 1)[0].id != key] == []
    assert not index.served
    index.close()


@pytest.mark.slow
def test_an_engine_opened_before_a_server_is_opened_anew_after_it(folder, start):
    """Each batch is more than Chroma keeps in its log (1,000), so that a stale engine would hold a stale graph."""
    idle, visitor = start(), start()
    assert idle.ask("bulk idle 1200").endswith("embedded")
    assert visitor.ask("bulk visitor 1200").endswith("served")
    visitor.end()
    wait_for_the_server_to_end(folder)

    assert idle.ask("ids") == "2400"
    assert idle.ask("own visitor1100") == "True"
    assert idle.ask("bulk again 1200").endswith("embedded")
    idle.end()
    index = ChromaIndex(folder)
    keys = [f"{prefix}{number}" for prefix in ("idle", "visitor", "again") for number in range(0, 1200, 7)]
    assert [key for key in keys if index.query("acme", SPACE, vector(key), 1)[0].id != key] == []
    index.close()


@pytest.mark.slow
def test_a_server_is_not_started_while_another_process_is_in_the_middle_of_an_operation(folder, start):
    worker = start()
    worker.ask("write a 1")
    assert worker.ask("close") == "closed"
    index = ChromaIndex(folder)
    with index._folder.connection() as chroma:
        worker.tell("write b 1")
        answered, _, _ = select.select([worker.process.stdout], [], [], 3.0)
        assert answered == []
        chroma.upsert(collection_name("acme", SPACE), ["c0"], vector("c0").reshape(1, -1))
    assert worker.hear().endswith("served")
    assert sorted(index.ids("acme", SPACE)) == ["a0", "b0", "c0"]
    assert index.served
    index.close()


@pytest.mark.slow
def test_a_killed_server_is_replaced_and_loses_nothing(folder, start):
    first, second = start(), start()
    first.ask("write a 1")
    second.ask("write b 1")
    first.ask("write c 1")
    os.kill(server_pid(folder), signal.SIGKILL)
    wait_for_the_server_to_end(folder)

    assert (folder / "server.json").exists()
    assert first.ask("write d 1").endswith("embedded")
    assert second.ask("write e 1").endswith("served")
    assert first.ask("ids") == second.ask("ids") == "5"


@pytest.mark.slow
def test_a_server_ends_when_all_its_users_were_killed(folder, start):
    first, second = start(), start()
    first.ask("write a 1")
    second.ask("write b 1")
    pid = server_pid(folder)
    first.kill()
    second.kill()
    wait_for_the_server_to_end(folder)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_a_second_process_takes_over_when_the_first_let_go(folder, start):
    first, second = start(), start()
    first.ask("write a 1")
    assert first.ask("close") == "closed"
    assert second.ask("write b 1").endswith("embedded")
    assert second.ask("ids") == "2"


def test_the_address_of_a_server_long_dead_is_cleared_away(folder):
    folder.mkdir()
    (folder / "server.json").write_text('{"host": "127.0.0.1", "port": 9, "pid": 1}')
    index = ChromaIndex(folder)
    index.upsert("acme", SPACE, ["a"], vector("a").reshape(1, -1))
    assert not (folder / "server.json").exists()
    index.close()


def test_a_fork_is_refused_the_index_of_its_parent(folder):
    index = ChromaIndex(folder)
    index._folder._process = -1  # as it looks from a child
    with pytest.raises(VectorIndexUnavailable, match="fork"):
        index.count("acme", SPACE)


def server_pid(folder: Path) -> int:
    return json.loads((folder / "server.json").read_text())["pid"]
