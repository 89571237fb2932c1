"""Real processes: a driver that advances runs and can be killed, and a server that counts what reaches it."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.assembly import Harness
from harness.engines.embedded import RunOrder
from harness.project import load_project
from harness.settings import Surroundings, load_settings
from harness.workflow.loading import load_workflow
from ontology.databases import open_database, sqlite_url
from tests.must_hold.projects import write_audit

ROOT = Path(__file__).resolve().parents[2]


def _started(module, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )


class Server:
    """A model server that can die and come back on its port."""

    def __init__(self, log, delay=0.05):
        self.log = log
        self.delay = delay
        self.port = 0
        self.start()

    def start(self):
        given = ("--port", str(self.port), "--log", str(self.log), "--delay", str(self.delay))
        self._process = _started("tests.must_hold.slow_server", *given)
        self.port = int(self._process.stdout.readline())

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def restart(self, delay):
        """Die, and come back on the same port."""
        self.kill()
        self.delay = delay
        self.start()

    def paths(self):
        return [json.loads(line)["path"] for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def requests(self):
        """How often each question came: by the name of its item, or "summary"."""
        if not self.log.exists():
            return Counter()
        asked = [json.loads(line)["body"]["messages"][-1]["content"] for line in self.log.read_text().splitlines()]
        return Counter("summary" if text.startswith("Summarise") else re.search(r"\w+-\d+", text)[0] for text in asked)


class Driver:
    def __init__(self, **environment):
        self._process = _started("tests.must_hold.driver", **environment)

    def _tell(self, order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, **order):
        return self._tell({key: str(value) if isinstance(value, Path) else value for key, value in order.items()})

    def wait(self, pid):
        """The exit code; negative: the signal that ended it."""
        return self._tell({"wait": pid})

    def run(self, **order):
        """Advance to the end: the exit code and what the process said."""
        Path(order["out"]).unlink(missing_ok=True)
        code = self.wait(self.start(**order))
        return code, json.loads(Path(order["out"]).read_text())

    def result(self, order):
        return json.loads(Path(order["out"]).read_text())

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


class Home:
    """What a home holds, read from beside."""

    def __init__(self, folder):
        self.folder = folder

    def rows(self, name, sql, **parameters):
        engine = open_database(sqlite_url(self.folder / f"{name}.db"))
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(sql), parameters)]
        finally:
            engine.dispose()

    def journalled(self):
        """The questions whose answers are recorded, by the names the server knows them by."""
        return {_asked(call_id) for (call_id,) in self.rows("money", "SELECT call_id FROM replies")}

    def holds(self):
        """Sends by question."""
        found = self.rows("money", "SELECT call_id FROM entries WHERE kind = 'hold'")
        return Counter(_asked(call_id) for (call_id,) in found)


def opened(home, project, **given):
    """A harness of this process on a home."""
    loaded = load_project(project / "harness.yaml")
    flags = {"home": str(home.folder), "person": given.pop("person", "ada"), "zone": "UTC"}
    return Harness(load_settings(flags, loaded, Surroundings.of_this_process()), loaded, **given)


def wait_until(condition, seconds=8):
    """Poll another process, which has no other way to tell."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def is_clean(memory):
    """Whether record and vectors agree in every organisation."""
    return not any(each.pending or each.missing or each.orphans for each in memory.verify())


def _asked(call_id):
    path = call_id.partition("/")[2].partition("#")[0]
    number = re.search(r"\[(\d+)\]", path)
    return f"item-{number[1]}" if number else "summary"


@pytest.fixture(scope="session")
def driver():
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "requests.jsonl")
    yield server
    server.kill()


@pytest.fixture
def project(tmp_path, server):
    return write_audit(tmp_path / "project", server.port)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory):
    """Databases with their tables, because making them takes longer than most runs here."""
    folder = tmp_path_factory.mktemp("empty")
    project, home = write_audit(folder / "project", 1), Home(folder / "home")

    async def made():
        async with opened(home, project) as harness:
            for part in (harness.money, harness.runs, harness.entities, harness.memory):
                assert part

    asyncio.run(made())
    return home.folder


@pytest.fixture
def home(tmp_path, empty_home):
    return Home(Path(shutil.copytree(empty_home, tmp_path / "home")))


@pytest.fixture
def order(project, home, tmp_path):
    return {"project": project, "home": home.folder, "out": tmp_path / "out.json"}


class Scripted:
    """The same audit in this process, its model's replies written in a file."""

    def __init__(self, folder, home):
        self.folder = write_audit(folder, 1)
        self.home = home
        self.edit("bindings.yaml", 'base_url: "http://127.0.0.1:1/v1"', "scripted_replies: replies.yaml")
        self._priced = self.folder.joinpath("bindings.yaml").read_text()
        self.replies()

    def edit(self, name, old, new):
        path = self.folder / name
        written = path.read_text()
        assert old in written, f"{old!r} is not in {name}"
        path.write_text(written.replace(old, new, 1))

    def step(self, old, new):
        self.edit("steps.py", old, new)
        # The module was imported from the file as it was.
        for name in [each for each in sys.modules if each.startswith("_harness_project_")]:
            del sys.modules[name]

    def price(self, price):
        line = re.search(r"price: .*", self._priced)[0]
        self.folder.joinpath("bindings.yaml").write_text(self._priced.replace(line, f"price: {price}" if price else ""))

    def replies(self, *first):
        usual = ['- {when: "Which licence", json: {spdx: MIT}}', '- {text: "All of them are under MIT."}']
        self.folder.joinpath("replies.yaml").write_text("\n".join(["replies:", *first, *usual]) + "\n")

    def opened(self, **given):
        return opened(self.home, self.folder, **given)

    async def advance(self, harness, on_event=lambda _: None, **inputs):
        version = await harness.binding_version()
        loaded = load_workflow(harness.project.workflow_path("audit"))
        person, folder = harness.settings.person, harness.project.folder
        order = RunOrder(loaded, inputs, person, None, self.home.folder, folder, version.version)
        run = await harness.engine.record(order)
        return await harness.engine.advance(run.run_id, on_event)


@pytest.fixture
def scripted(tmp_path, home):
    return Scripted(tmp_path / "scripted", home)
