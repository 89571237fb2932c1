"""A copy of the databases of a home that can be trusted: by SQLite's backup API, checked, put in place at once.

Copying the file of a database that is being written gives a corrupt one nine times in ten. Databases on a PostgreSQL
server are left to its own tools; the vector folder is an index and is rebuilt.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DatabaseError

from harness.exceptions import ConfigurationInvalid
from ontology.databases import open_database, sqlite_url

# In this order: a journal newer than the checkpoints answers a step that is run again, one that is older does not.
DATABASES = ("memory.db", "runs.db", "money.db")
MANIFEST = "manifest.json"
_FORMAT = 1
_VERSION_TABLES = "alembic_version"


@dataclass(frozen=True, slots=True)
class CopiedDatabase:
    """One database of a backup.

    Args:
        integrity: what SQLite's integrity_check said of the copy: "ok".
        revisions: the newest revision of each package's tables, by version table.
    """

    name: str
    bytes: int
    sha256: str
    integrity: str
    revisions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds, as its manifest says."""

    made_at: datetime
    sqlite: str
    databases: tuple[CopiedDatabase, ...]


def back_up(home: Path, to: Path, *, clock: Callable[[], datetime]) -> Backup:
    """Copy the databases of a home to a new folder, while others go on writing.

    Each copy is one moment of its database; the moments follow each other. The folder appears whole or not at all.

    Raises:
        ConfigurationInvalid: there is nothing to copy, the folder exists, or a database is damaged.
    """
    present = [name for name in DATABASES if (home / name).is_file()]
    if not present:
        raise ConfigurationInvalid("home", str(home), "backup", f"none of {', '.join(DATABASES)} is there")
    if to.exists():
        raise ConfigurationInvalid("to", str(to), "backup", "it exists already; name a new folder")
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        copied = tuple(_copy(home / name, partial / name) for name in present)
        backup = Backup(clock(), _sqlite_version(), copied)
        (partial / MANIFEST).write_text(_manifest_text(backup), encoding="utf-8")
        for path in (*partial.iterdir(), partial):
            _reach_disk(path)
        partial.rename(to)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _reach_disk(to.parent)
    return backup


def restore_check(folder: Path) -> Backup:
    """Read a backup as a restore would: sizes, digests, and SQLite's integrity check of a copy of each database.

    Raises:
        ConfigurationInvalid: it cannot be restored from; says which file, and why.
    """
    backup = _read_manifest(folder)
    with tempfile.TemporaryDirectory(prefix="restore-check-") as scratch:
        for expected in backup.databases:
            source = folder / expected.name
            if not source.is_file():
                raise _unusable(source, "it is missing")
            if (source.stat().st_size, _digest(source)) != (expected.bytes, expected.sha256):
                raise _unusable(source, f"its {source.stat().st_size} bytes are not those the manifest names")
            integrity, revisions = _checked(Path(shutil.copyfile(source, Path(scratch) / expected.name)))
            if integrity != "ok" or revisions != expected.revisions:
                raise _unusable(source, f"integrity {integrity!r}, revisions {dict(revisions)}")
    return backup


def _copy(source: Path, target: Path) -> CopiedDatabase:
    reading, writing = open_database(sqlite_url(source)), open_database(sqlite_url(target))
    try:
        with reading.connect() as from_, writing.connect() as into:
            # All pages in one step: a step reads one moment of a WAL database, and between two of them another
            # process's commit would start the copy over.
            _driver(from_).backup(_driver(into), pages=-1)
    finally:
        reading.dispose()
        writing.dispose()
    integrity, revisions = _checked(target)
    if integrity != "ok":
        remedy = f"the database is damaged ({integrity}); restore the last good backup"
        raise ConfigurationInvalid("home", str(source), "backup", remedy)
    return CopiedDatabase(target.name, target.stat().st_size, _digest(target), integrity, revisions)


def _checked(path: Path) -> tuple[str, Mapping[str, str]]:
    """What SQLite says of a database, and its revisions; all of it is in its one file afterwards."""
    engine = open_database(sqlite_url(path))
    try:
        with engine.connect() as connection:
            answers = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
            tables = sorted(name for name in inspect(connection).get_table_names() if name.startswith(_VERSION_TABLES))
            revisions = {
                name: str(connection.exec_driver_sql(f"SELECT version_num FROM {name}").scalar()) for name in tables
            }
            connection.rollback()
            _driver(connection).execute("PRAGMA journal_mode=DELETE")
        return "; ".join(map(str, answers)), revisions
    except DatabaseError as error:  # so damaged that it cannot be asked
        return str(error.orig), {}
    finally:
        engine.dispose()


def _driver(connection: Connection) -> Any:
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver


def _sqlite_version() -> str:
    engine = open_database("sqlite://")
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reach_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest_text(backup: Backup) -> str:
    manifest = {"format": _FORMAT, **asdict(backup), "made_at": backup.made_at.isoformat()}
    return json.dumps(manifest, indent=2, sort_keys=True) + "\n"


def _read_manifest(folder: Path) -> Backup:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise _unusable(path, f"format {manifest['format']!r} is not known here")
        databases = tuple(CopiedDatabase(**entry) for entry in manifest["databases"])
        if not {database.name for database in databases} <= set(DATABASES):
            raise _unusable(path, "it names files that are not a backup's")
        return Backup(datetime.fromisoformat(manifest["made_at"]), manifest["sqlite"], databases)
    except OSError as error:
        raise _unusable(path, f"it cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _unusable(path, f"it is not a manifest ({error})") from error


def _unusable(path: Path, reason: str) -> ConfigurationInvalid:
    return ConfigurationInvalid("backup", str(path), "restore check", f"{reason}; use another backup")
