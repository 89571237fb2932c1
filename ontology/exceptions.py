"""What can go wrong in the ontology.

OntologyError
├── DatabaseError
│   ├── UnsafeSQLite        the SQLite library is one that can corrupt a WAL database
│   └── DatabaseTooNew      written by a newer version of this package
├── YamlInvalid             a YAML text that cannot be read: file, line, column, key
│   └── SchemaInvalid       a schema file that cannot be used
├── EntityInvalid           an entity or link that its type does not allow
└── EntityNotFound
"""

from collections.abc import Sequence


class OntologyError(Exception):
    """Root of the package's errors; `retryable` says whether trying again can help."""

    retryable = False


class DatabaseError(OntologyError):
    """The database could not be opened or is not one of ours."""


class UnsafeSQLite(DatabaseError):
    """The SQLite library in use can corrupt a WAL database opened by two connections.

    Source: https://sqlite.org/wal.html#walresetbug
    """

    def __init__(self, version: str, required: str) -> None:
        super().__init__(version, required)
        self.version = version
        self.required = required

    def __str__(self) -> str:
        return (
            f"SQLite {self.version} can corrupt a database that two connections write to; "
            f"{self.required} or newer is needed: install the wheel `pysqlite3`"
        )


class DatabaseTooNew(DatabaseError):
    """The database carries a revision that this version of the code does not know."""

    def __init__(self, url: str, table: str, revision: str) -> None:
        super().__init__(url, table, revision)
        self.url = url
        self.table = table
        self.revision = revision

    def __str__(self) -> str:
        return (
            f"{self.url} is at revision {self.revision!r} ({self.table}), which this version does not know; "
            "it was written by a newer one: upgrade portable-harness, or restore a backup"
        )


class DatabaseUnavailable(DatabaseError):
    """The database could not be read or written now; nothing of the call was written."""

    retryable = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        damaged = "not a database" in self.reason or "malformed" in self.reason
        remedy = "restore a backup of it" if damaged else "look for another process that holds it, then try again"
        return f"{self.url}: {self.reason.strip()}; {remedy}"


class YamlInvalid(OntologyError):
    """A YAML text that cannot be read.

    Each problem is one line, `file:line:column: key: what is wrong and what would mend it`.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


class SchemaInvalid(YamlInvalid):
    """A schema file that cannot be used; its problems are lines as those of `YamlInvalid`."""


class EntityInvalid(OntologyError):
    """An entity or link that its type does not allow; nothing of it was written."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(subject, reason)
        self.subject = subject
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.subject!r}: {self.reason}"


class EntityNotFound(OntologyError):
    """No entity has this identifier in this organisation."""

    def __init__(self, entity_id: str) -> None:
        super().__init__(entity_id)
        self.entity_id = entity_id

    def __str__(self) -> str:
        return f"no entity {self.entity_id!r}; `harness ontology query` lists those there are"


class AssertionNotFound(OntologyError):
    """Nothing under this identifier was ever asserted in this organisation."""

    def __init__(self, assertion_id: str) -> None:
        super().__init__(assertion_id)
        self.assertion_id = assertion_id

    def __str__(self) -> str:
        return f"no assertion {self.assertion_id!r}; an entity's history lists those about it"


class QueryInvalid(OntologyError):
    """A query that cannot be read; `column` is where in it, counted from 1."""

    def __init__(self, query: str, column: int, reason: str) -> None:
        super().__init__(query, column, reason)
        self.query = query
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.query}\n{' ' * (self.column - 1)}^ {self.reason}"
