"""A backup is one moment of each database, whole or absent, and says when it cannot be restored from."""

import json
import threading

import pytest

from harness.exceptions import ConfigurationInvalid
from harness.storage.backup import MANIFEST, back_up, restore_check
from harness.storage.runs_tables import RUNS_MIGRATIONS
from harness.storage.transactions import Statement, TransactionWriter
from ontology.databases import open_database, sqlite_url, upgrade


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    for name in ("runs.db", "money.db"):
        engine = open_database(sqlite_url(home / name))
        upgrade(engine, RUNS_MIGRATIONS)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER, padding TEXT)")
        engine.dispose()
    return home


def _insert(number):
    def operation():
        yield Statement("INSERT INTO numbers VALUES (:number, :padding)", {"number": number, "padding": "x" * 3000})

    return operation


def _hammer(home, stop, acknowledged):
    engine = open_database(sqlite_url(home / "runs.db"))
    writer = TransactionWriter(engine, name="hammer")
    while not stop.is_set():
        number = acknowledged[0] + 1
        writer.run_blocking(_insert(number))
        acknowledged[0] = number
    writer.close()
    engine.dispose()


def test_a_copy_made_while_others_write_is_a_whole_and_consistent_beginning(home, tmp_path, clock):
    stop, acknowledged = threading.Event(), [0]
    hammer = threading.Thread(target=_hammer, args=(home, stop, acknowledged))
    hammer.start()
    moments = []
    try:
        for place in range(4):
            before = acknowledged[0]
            back_up(home, tmp_path / f"backup-{place}", clock=clock)
            moments.append((before, acknowledged[0] + 1))
    finally:
        stop.set()
        hammer.join()

    assert moments[-1][0] > moments[0][0]
    for place, (before, after) in enumerate(moments):
        checked = restore_check(tmp_path / f"backup-{place}")
        assert [database.integrity for database in checked.databases] == ["ok", "ok"]
        engine = open_database(sqlite_url(tmp_path / f"backup-{place}" / "runs.db"))
        with engine.connect() as connection:
            count, last = connection.exec_driver_sql("SELECT count(*), max(number) FROM numbers").one()
        engine.dispose()
        assert count == (last or 0)
        assert before <= count <= after


def test_the_manifest_names_what_is_there(home, tmp_path, clock):
    backup = back_up(home, tmp_path / "to" / "backup", clock=clock)

    folder = tmp_path / "to" / "backup"
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "money.db", "runs.db"]
    assert [path.name for path in folder.parent.iterdir()] == ["backup"]
    assert restore_check(folder) == backup
    runs = next(database for database in backup.databases if database.name == "runs.db")
    assert runs.bytes == (folder / "runs.db").stat().st_size
    assert runs.revisions == {"alembic_version_runs": RUNS_MIGRATIONS.newest}
    assert tuple(map(int, backup.sqlite.split("."))) >= (3, 51, 3)


def test_nothing_is_left_behind_when_a_database_is_damaged(home, tmp_path, clock):
    data = bytearray((home / "money.db").read_bytes())
    data[4096 : 4096 * 3] = b"\xff" * 8192
    (home / "money.db").write_bytes(data)

    with pytest.raises(ConfigurationInvalid, match="damaged"):
        back_up(home, tmp_path / "backups" / "new", clock=clock)
    assert list((tmp_path / "backups").iterdir()) == []


def test_an_existing_folder_and_an_empty_home_are_refused(home, tmp_path, clock):
    with pytest.raises(ConfigurationInvalid, match="exists"):
        back_up(home, home, clock=clock)
    with pytest.raises(ConfigurationInvalid, match="none of"):
        back_up(tmp_path, tmp_path / "new", clock=clock)


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: _flip(folder / "runs.db"), "bytes are not those"),
        (lambda folder: (folder / "runs.db").unlink(), "missing"),
        (lambda folder: (folder / MANIFEST).unlink(), "cannot be read"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "not a manifest"),
        (lambda folder: (folder / MANIFEST).write_text('{"format": 9}'), "format 9"),
    ],
)
def test_a_backup_that_was_harmed_is_refused(home, tmp_path, clock, harm, said):
    back_up(home, tmp_path / "backup", clock=clock)
    harm(tmp_path / "backup")

    with pytest.raises(ConfigurationInvalid, match=said):
        restore_check(tmp_path / "backup")


def test_a_manifest_cannot_name_a_file_elsewhere(home, tmp_path, clock):
    back_up(home, tmp_path / "backup", clock=clock)
    manifest = json.loads((tmp_path / "backup" / MANIFEST).read_text())
    manifest["databases"][0]["name"] = "../home/runs.db"
    (tmp_path / "backup" / MANIFEST).write_text(json.dumps(manifest))

    with pytest.raises(ConfigurationInvalid, match="not a backup's"):
        restore_check(tmp_path / "backup")
