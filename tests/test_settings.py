"""Where each setting comes from, and what a bad one says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.exceptions import ConfigurationInvalid, SpecificationInvalid
from harness.project import Project, load_project
from harness.settings import (
    NAMES,
    Settings,
    Surroundings,
    load_settings,
    machine_zone,
    operating_system_login,
    shown_url,
)
from harness.storage.databases import Databases
from harness.storage.transactions import Statement

VALUES = {
    "home": ("a", "b", "c", "d"),
    "database_url": tuple(f"postgresql://u:secret@{host}/h" for host in "abcd"),
    "person": ("ada", "grace", "mary", "joan"),
    "organisation": ("a", "b", "c", "d"),
    "zone": ("Europe/Berlin", "Asia/Tokyo", "America/Lima", "UTC"),
    "log_level": ("debug", "info", "error", "warning"),
    "durability": ("power", "holds", "power", "holds"),
    "no_progress": ("true", "false", "true", "false"),
    "retention_days": ("1", "2", "3", "4"),
    "call_attempts": ("1", "2", "10", "4"),
    "call_deadline_seconds": ("60", "600", "3600", "5"),
}

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(
        flags: dict[str, object] | None = None,
        environment: dict[str, str] | None = None,
        project: str | None = None,
        user: str | None = None,
    ) -> Settings:
        return load_settings(flags or {}, _project(tmp_path, project), _around(tmp_path, environment or {}, user))

    return loaded


def _project(tmp_path: Path, settings: str | None) -> Project | None:
    if settings is None:
        return None
    (tmp_path / "project").mkdir()
    path = tmp_path / "project" / "harness.yaml"
    path.write_text(f"settings:\n  {settings}\n")
    return load_project(path)


def _around(tmp_path: Path, environment: dict[str, str], user: str | None) -> Surroundings:
    user_file = tmp_path / "config" / "config.yaml"
    if user is not None:
        user_file.parent.mkdir()
        user_file.write_text(f"settings:\n  {user}\n")
    return Surroundings(
        environment, tmp_path / "here", user_file, login=lambda: "joan", machine_zone=lambda: "Asia/Tokyo"
    )


def plain(settings: Settings, name: str) -> str:
    value: object = getattr(settings, name)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_goes_before_the_environment_before_the_project_before_the_user(tmp_path: Path, name: str):
    flag, variable, project, user = VALUES[name]
    found = _project(tmp_path, f"{name}: {project}")
    environment = {f"HARNESS_{name.upper()}": variable}
    around = _around(tmp_path, environment, f"{name}: {user}")
    nothing = Surroundings({}, around.folder, around.user_file, around.login, around.machine_zone)
    steps = [
        (load_settings({name: flag}, found, around), flag, f"flag --{name.replace('_', '-')}"),
        (load_settings({name: None}, found, around), variable, f"environment variable HARNESS_{name.upper()}"),
        (load_settings({}, found, nothing), project, f"{tmp_path / 'project' / 'harness.yaml'}:2:3"),
        (load_settings({}, None, nothing), user, f"{around.user_file}:2:3"),
    ]

    for settings, value, origin in steps:
        assert plain(settings, name).lower().endswith(value.lower())
        assert settings.origin_of(name) == origin


def test_the_defaults(load: Load, tmp_path: Path):
    settings = load()

    assert settings.home == tmp_path / "here" / ".harness"
    assert (settings.person, settings.organisation, settings.zone) == ("joan", "default", "Asia/Tokyo")
    assert (settings.log_level, settings.no_progress, settings.database_url) == ("warning", False, None)
    assert {settings.origin_of(name) for name in NAMES} == {"default"}


def test_home_is_beside_the_project_when_there_is_one(load: Load, tmp_path: Path):
    assert load(project="person: ada").home == tmp_path / "project" / ".harness"


def test_a_relative_home_starts_where_it_was_written(load: Load, tmp_path: Path):
    assert load(project="home: state").home == tmp_path / "project" / "state"
    assert load(environment={"HARNESS_HOME": "state"}).home == tmp_path / "here" / "state"
    assert load(environment={"HARNESS_HOME": "/state"}).home == Path("/state")
    assert load(flags={"home": Path("state")}, user="home: other").home == tmp_path / "here" / "state"


def test_an_empty_variable_says_nothing(load: Load):
    assert load(environment={"HARNESS_PERSON": ""}).person == "joan"


def test_settings_are_frozen(load: Load):
    with pytest.raises(ValueError, match="frozen"):
        load().person = "ada"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("zone", "Mars/Olympus", "IANA time zone"),
        ("zone", "../../etc/passwd", "IANA time zone"),
        ("zone", "Europe", "IANA time zone"),
        ("person", "a:b", "letters, digits"),
        ("person", "a b", "letters, digits"),
        ("organisation", "x" * 101, "letters, digits"),
        ("log_level", "loud", "debug, info, warning, error"),
        ("durability", "eternal", "holds, power"),
        ("no_progress", "perhaps", "true or false"),
        ("retention_days", "0", "at least 1"),
        ("retention_days", "a month", "number of days"),
        ("call_attempts", "0", "from 1 to 10"),
        ("call_attempts", "11", "from 1 to 10"),
        ("call_deadline_seconds", "0", "at least 1"),
        ("call_deadline_seconds", "soon", "number of seconds"),
        ("home", " ", "name a folder"),
        ("home", "~nobody-of-this-name/x", "write the whole path"),
        ("database_url", "mysql://h/d", "postgresql://user:password@host/database"),
    ],
)
def test_a_bad_value_names_its_origin_and_what_mends_it(load: Load, name: str, value: str, remedy: str):
    with pytest.raises(ConfigurationInvalid) as caught:
        load(environment={f"HARNESS_{name.upper()}": value})

    assert (caught.value.setting, caught.value.value) == (name, value)
    assert caught.value.origin == f"environment variable HARNESS_{name.upper()}"
    assert remedy in caught.value.remedy


def test_a_bad_value_in_a_file_names_its_line(load: Load, tmp_path: Path):
    with pytest.raises(ConfigurationInvalid) as caught:
        load(user="zone: Nowhere")

    assert caught.value.origin == f"{tmp_path / 'config' / 'config.yaml'}:2:3"


def test_a_login_that_cannot_be_a_person_says_so(tmp_path: Path):
    around = Surroundings({}, tmp_path, tmp_path / "none", login=lambda: "a:b", machine_zone=lambda: "UTC")

    with pytest.raises(ConfigurationInvalid, match="HARNESS_PERSON"):
        load_settings({}, None, around)
    assert load_settings({"person": "ada"}, None, around).person == "ada"


def test_a_mistake_in_the_users_file_is_named_with_its_place(load: Load):
    with pytest.raises(
        SpecificationInvalid, match=r"config\.yaml:2:3: settings\.persn: unknown key; did you mean 'person'"
    ):
        load(user="persn: ada")


URL = "postgresql://ada:hunter2@db.example:5432/harness?sslpassword=hunter2"


@pytest.mark.parametrize("source", ["flag", "environment", "project"])
def test_the_databases_password_is_never_shown(load: Load, source: str):
    settings = {
        "flag": lambda: load(flags={"database_url": URL}),
        "environment": lambda: load(environment={"HARNESS_DATABASE_URL": URL}),
        "project": lambda: load(project=f"database_url: {URL}"),
    }[source]()
    rows = {row.name: row for row in settings.rows()}

    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL
    assert rows["database_url"].value == "postgresql://ada:********@db.example:5432/harness?********"
    assert list(rows) == list(NAMES)
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()} {rows}"


@pytest.mark.parametrize(
    "url", ["mysql://ada:hunter2@h/d", "hunter2", "postgresql:hunter2", "x://a:hunter2@[h/d", "x://h:hunter2/d"]
)
def test_a_refused_address_does_not_show_its_password(load: Load, url: str):
    with pytest.raises(ConfigurationInvalid) as caught:
        load(environment={"HARNESS_DATABASE_URL": url})

    assert "hunter2" not in str(caught.value)


def test_an_address_of_a_file_is_shown_whole():
    assert shown_url("sqlite:////var/lib/harness.db") == "sqlite:////var/lib/harness.db"
    assert shown_url("sqlite:///harness.db") == "sqlite:///harness.db"


def test_the_machines_zone_is_read_from_where_it_is_set(tmp_path: Path):
    zones = tmp_path / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Berlin").write_bytes(b"")
    (tmp_path / "localtime").symlink_to(zones / "Berlin")

    assert machine_zone({"TZ": ":Asia/Tokyo"}, tmp_path / "localtime") == "Asia/Tokyo"
    assert machine_zone({"TZ": "nonsense"}, tmp_path / "localtime") == "Europe/Berlin"
    assert machine_zone({}, tmp_path / "absent") == "UTC"


def test_a_login_is_always_told():
    assert operating_system_login()


def test_durability_reaches_every_commit_of_sqlite(tmp_path):
    levels = {}
    for durability in ("holds", "power"):
        databases = Databases(tmp_path / durability, power_safe=durability == "power")
        try:
            for name, writer in (("money", databases.money_writer), ("runs", databases.runs_writer)):
                levels[durability, name] = writer.run_blocking(synchronous_level)
        finally:
            databases.close()
    full, normal = 2, 1  # https://sqlite.org/pragma.html#pragma_synchronous
    assert levels == {
        ("holds", "money"): normal,
        ("holds", "runs"): normal,
        ("power", "money"): full,
        ("power", "runs"): full,
    }


def synchronous_level():
    rows = yield Statement("PRAGMA synchronous")
    return rows[0][0]
