import shutil
from decimal import Decimal

import pytest

from tests.cli.hello_project import HelloProject


@pytest.fixture
def project(tmp_path):
    project = HelloProject(tmp_path)
    assert project.say("run", "hello").code == 0
    return project


def test_a_backup_says_what_was_copied_and_is_whole(project, tmp_path):
    made = project.say("backup", str(tmp_path / "copy"), "--json").object
    assert [each["name"] for each in made["databases"]] == ["runs.db", "money.db"]
    assert {each["integrity"] for each in made["databases"]} == {"ok"}
    checked = project.say("backup", "--verify", str(tmp_path / "copy"), "--json").object
    assert checked == made
    said = project.say("backup", "--verify", str(tmp_path / "copy"))
    assert "money.db" in said.out
    assert "is whole" in said.err


def test_the_costs_of_a_restored_backup_are_the_same(project, tmp_path):
    project.say("backup", str(tmp_path / "copy"))
    before = project.say("costs", "--json").lines
    shutil.rmtree(project.home)
    project.home.mkdir()
    for name in ("runs.db", "money.db"):
        shutil.copy(tmp_path / "copy" / name, project.home / name)
    assert project.say("costs", "--json").lines == before
    assert Decimal(before[0]["usd"]) > 0


def test_a_changed_copy_is_found(project, tmp_path):
    project.say("backup", str(tmp_path / "copy"))
    database = tmp_path / "copy" / "money.db"
    data = bytearray(database.read_bytes())
    data[5000] ^= 1
    database.write_bytes(data)
    said = project.say("backup", "--verify", str(tmp_path / "copy"))
    assert (said.code, said.out) == (2, "")
    assert "money.db" in said.err


def test_a_folder_that_exists_or_is_no_backup_is_refused(project, tmp_path):
    (tmp_path / "there").mkdir()
    assert project.say("backup", str(tmp_path / "there")).code == 2
    assert list((tmp_path / "there").iterdir()) == []
    assert project.say("backup", "--verify", str(tmp_path / "there")).code == 2


def test_a_home_without_databases_has_nothing_to_copy(tmp_path):
    said = HelloProject(tmp_path).say("backup", str(tmp_path / "copy"))
    assert said.code == 2
    assert "money.db" in said.err
    assert not (tmp_path / "copy").exists()


def test_a_postgresql_home_is_left_to_its_own_tools(project, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATABASE_URL", "postgresql://ada:hidden@localhost/nothing")
    said = project.say("backup", str(tmp_path / "copy"))
    assert said.code == 2
    assert "pg_dump" in said.err
    assert "hidden" not in said.err
