"""A reader's filter as conditions on the records table; the one place where a scope becomes SQL."""

from sqlalchemy import ColumnElement, and_, or_

from memory.record_filters import RecordFilter
from memory.records import Scope, Trust
from memory.tables import records


def readable(wanted: RecordFilter) -> ColumnElement[bool]:
    """Versions that the reader may see and asked for; `Scope.sees` says the same of two scopes."""
    conditions = [in_scope(wanted.scope), _not_expired(wanted), *_as_of(wanted)]
    if wanted.kinds is not None:
        conditions.append(records.c.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.trust_at_least is not None:
        enough = [trust.label for trust in Trust if trust >= wanted.trust_at_least]
        conditions.append(records.c.trust.in_(enough))
    return and_(*conditions)


def in_scope(scope: Scope) -> ColumnElement[bool]:
    """Versions of every time that a reader in this scope may see."""
    levels = {"team": scope.team, "person": scope.person, "agent": scope.agent, "session": scope.session}
    open_or_same: list[ColumnElement[bool]] = []
    for level, name in levels.items():
        column = records.c[level]
        open_or_same.append(column.is_(None) if name is None else or_(column.is_(None), column == name))
    return and_(records.c.organisation == scope.organisation, *open_or_same)


def _not_expired(wanted: RecordFilter) -> ColumnElement[bool]:
    return or_(records.c.expires_at.is_(None), records.c.expires_at > wanted.now)


def _as_of(wanted: RecordFilter) -> list[ColumnElement[bool]]:
    valid, recorded = wanted.as_of.valid, wanted.as_of.recorded
    conditions: list[ColumnElement[bool]] = []
    if recorded is None:
        conditions.append(records.c.superseded_at.is_(None))
    else:
        conditions.append(records.c.recorded_at <= recorded)
        conditions.append(or_(records.c.superseded_at.is_(None), records.c.superseded_at > recorded))
    if valid is not None:
        conditions.append(or_(records.c.valid_from.is_(None), records.c.valid_from <= valid))
        conditions.append(or_(records.c.valid_to.is_(None), records.c.valid_to > valid))
    return conditions
