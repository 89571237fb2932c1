"""The settings of a process: what each is, and where it came from.

The first that gives a value counts: a flag, the environment (`HARNESS_*`), the project's `harness.yaml`, the user's
own file, the default. Read by a small reader of our own and not by pydantic-settings, because that merges its sources
and forgets which one a value came from, and `harness config show --origin` and every complaint must say it.
"""

import getpass
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from harness.exceptions import ConfigurationInvalid
from harness.project import Project, SettingsBlock, read_settings_file
from ontology.yaml_documents import YamlDocument

HOME_FOLDER = ".harness"
LOG_LEVELS = ("debug", "info", "warning", "error")
DURABILITIES = ("holds", "power")
NAMES = tuple(SettingsBlock.model_fields)
DEFAULT = "default"
_HIDDEN = "********"

_PERSON = re.compile(r"\w[\w.@+-]{0,99}")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Settings(BaseModel):
    """What a process runs with.

    Args:
        home: where databases and vectors are kept.
        database_url: of a shared database; None keeps SQLite files in `home`.
        person: who pays, and whose name stands on what is done.
        zone: IANA time zone in which a person's weeks begin.
        durability: what SQLite waits for the disk for: `holds` only (a power cut can lose the last settlements and
            checkpoints, never a hold), or `power` (it loses nothing, and everything takes longer).
        retention_days: how long `harness runs prune` keeps runs that have ended; None keeps them.
        call_attempts: how often one endpoint is sent a question at most, the first time too; only failures that are
            surely not billed are repeated.
        call_deadline_seconds: how long one question to a model may take in all, with what it waits below rate limits.
        origins: where the values came from, for those that are no default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path
    database_url: SecretStr | None = None
    person: str
    organisation: str = "default"
    zone: str = "UTC"
    durability: str = "holds"
    log_level: str = "warning"
    no_progress: bool = False
    retention_days: int | None = None
    call_attempts: int = 3
    call_deadline_seconds: int = 1800

    origins: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)

    def origin_of(self, name: str) -> str:
        """Where a setting's value came from, as a person finds it: a flag, a variable, `file:line:column`, default."""
        return self.origins.get(name, DEFAULT)

    def rows(self) -> Iterator["SettingRow"]:
        """Every setting as it may be shown: the database's password and options are hidden."""
        for name in NAMES:
            value: object = getattr(self, name)
            shown = shown_url(value.get_secret_value()) if isinstance(value, SecretStr) else _shown(value)
            yield SettingRow(name, shown, self.origin_of(name))


class SettingRow(NamedTuple):
    """A setting, its value as text, and where that came from."""

    name: str
    value: str
    origin: str


class UserFile(BaseModel):
    """What the user's own file may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: SettingsBlock = Field(default_factory=SettingsBlock)


@dataclass(frozen=True)
class Surroundings:
    """What the settings of a process are read from, beside its flags and its project."""

    environment: Mapping[str, str]
    folder: Path
    user_file: Path
    login: Callable[[], str]
    machine_zone: Callable[[], str]

    @classmethod
    def of_this_process(cls) -> "Surroundings":
        """Those that are real."""
        return cls(
            environment=os.environ,
            folder=Path.cwd(),
            user_file=user_config_path("harness") / "config.yaml",
            login=operating_system_login,
            machine_zone=machine_zone,
        )


class _Given(NamedTuple):
    """A value that one source gives; relative paths in it start at `folder`."""

    value: object
    origin: str
    folder: Path


def load_settings(flags: Mapping[str, object], project: Project | None, around: Surroundings) -> Settings:
    """The settings of a process.

    Args:
        flags: by setting; None where a flag was not given.

    Raises:
        ConfigurationInvalid: a value that cannot be used, with where it came from.
        SpecificationInvalid: the user's own file is not one.
    """
    user = read_settings_file(around.user_file, UserFile) if around.user_file.is_file() else None
    given: dict[str, _Given] = {}
    for name in NAMES:
        found = (
            _from_flag(name, flags, around)
            or _from_environment(name, around)
            or (project and _from_file(name, project.file.settings, project.document, project.folder))
            or (user and _from_file(name, user[0].settings, user[1], around.user_file.parent))
        )
        if found:
            given[name] = found
    values: dict[str, object] = {name: _READERS[name](name, each) for name, each in given.items()}
    values.setdefault("home", (project.folder if project else around.folder) / HOME_FOLDER)
    # The defaults that are asked of the machine come last: only a setting that nobody gave may fail for them.
    if "person" not in given:
        values["person"] = _name("person", _Given(around.login(), "the login of this machine", around.folder))
    if "zone" not in given:
        values["zone"] = around.machine_zone()
    return Settings.model_validate({**values, "origins": {name: each.origin for name, each in given.items()}})


def shown_url(url: str) -> str:
    """A database's address without what may be secret: its password and its options."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return _HIDDEN
    if "://" not in url or not parts.scheme:
        return _HIDDEN
    user = f"{parts.username}{f':{_HIDDEN}' if parts.password is not None else ''}@" if parts.username else ""
    # urlunsplit would lose the empty host of sqlite:////absolute/path.
    query = f"?{_HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{user}{host}{port}{urlunsplit(('', '', parts.path, '', ''))}{query}"


def operating_system_login() -> str:
    """The name of the person who is logged in; `uid1000` where the number has no name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid{os.getuid()}" if hasattr(os, "getuid") else "unknown"


def machine_zone(environment: Mapping[str, str] = os.environ, link: Path = Path("/etc/localtime")) -> str:
    """The machine's IANA time zone: `TZ`, else what `/etc/localtime` links to, else UTC."""
    linked = str(link.resolve()).partition("zoneinfo/")[2]
    for candidate in (environment.get("TZ", "").removeprefix(":"), linked):
        if candidate and _is_zone(candidate):
            return candidate
    return "UTC"


def _from_flag(name: str, flags: Mapping[str, object], around: Surroundings) -> _Given | None:
    value = flags.get(name)
    return None if value is None else _Given(value, f"flag --{name.replace('_', '-')}", around.folder)


def _from_environment(name: str, around: Surroundings) -> _Given | None:
    variable = f"HARNESS_{name.upper()}"
    value = around.environment.get(variable)
    return _Given(value, f"environment variable {variable}", around.folder) if value else None


def _from_file(name: str, block: SettingsBlock, document: YamlDocument, folder: Path) -> _Given | None:
    value: object = getattr(block, name)
    return None if value is None else _Given(value, document.place(("settings", name)), folder)


def _path(name: str, given: _Given) -> Path:
    text = str(given.value)
    if not text.strip() or "\0" in text:
        raise _invalid(name, given, "name a folder")
    try:
        return given.folder / Path(text).expanduser()
    except RuntimeError as error:
        raise _invalid(name, given, "`~` has no meaning here: write the whole path") from error


def _database_url(name: str, given: _Given) -> SecretStr:
    value = given.value
    url = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if re.match(r"(sqlite|postgresql)(\+\w+)?://", url) is None:
        hidden = given._replace(value=shown_url(url))
        raise _invalid(name, hidden, "write postgresql://user:password@host/database or sqlite:///path")
    return SecretStr(url)


def _name(name: str, given: _Given) -> str:
    if not _PERSON.fullmatch(str(given.value)):
        remedy = "use letters, digits and . _ @ + -, at most 100, beginning with a letter or digit"
        raise _invalid(name, given, f"{remedy}; set it by HARNESS_{name.upper()}")
    return str(given.value)


def _zone(name: str, given: _Given) -> str:
    if not _is_zone(str(given.value)):
        raise _invalid(name, given, "name an IANA time zone, such as Europe/Berlin or UTC")
    return str(given.value)


def _durability(name: str, given: _Given) -> str:
    if str(given.value).lower() not in DURABILITIES:
        raise _invalid(name, given, f"use one of {', '.join(DURABILITIES)}")
    return str(given.value).lower()


def _log_level(name: str, given: _Given) -> str:
    if str(given.value).lower() not in LOG_LEVELS:
        raise _invalid(name, given, f"use one of {', '.join(LOG_LEVELS)}")
    return str(given.value).lower()


def _switch(name: str, given: _Given) -> bool:
    word = str(given.value).lower()
    if word not in _TRUE | _FALSE:
        raise _invalid(name, given, "use true or false")
    return word in _TRUE


def _days(name: str, given: _Given) -> int:
    text = str(given.value)
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise _invalid(name, given, "write a number of days, at least 1; leave it out to keep runs")
    return int(text)


def _attempts(name: str, given: _Given) -> int:
    if not re.fullmatch("10|[1-9]", str(given.value)):
        raise _invalid(name, given, "write a number from 1 to 10; 1 sends every question once")
    return int(str(given.value))


def _seconds(name: str, given: _Given) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", str(given.value)):
        raise _invalid(name, given, "write a number of seconds, at least 1 and below 1,000,000")
    return int(str(given.value))


_READERS: Mapping[str, Callable[[str, _Given], object]] = {
    "home": _path,
    "database_url": _database_url,
    "person": _name,
    "organisation": _name,
    "zone": _zone,
    "durability": _durability,
    "log_level": _log_level,
    "no_progress": _switch,
    "retention_days": _days,
    "call_attempts": _attempts,
    "call_deadline_seconds": _seconds,
}


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a name that is unknown, no key, or that of a folder
        return False
    return True


def _invalid(name: str, given: _Given, remedy: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(name, str(given.value), given.origin, remedy)


def _shown(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
