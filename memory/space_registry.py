"""Which embedding space serves an organisation: one row says it."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select

from memory.exceptions import SpaceMismatch
from memory.spaces import EmbeddingSpace
from memory.tables import spaces
from ontology.databases import writing

SERVING = "serving"


class SpaceRegistry:
    """The table `memory_spaces`. Its tables must be there: `SqlRecordStore` creates them."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def check_all(self, space: EmbeddingSpace) -> None:
        """Refuse a space that is not the one that serves, for any organisation that has one.

        Raises:
            SpaceMismatch: the first that differs, by name.
        """
        with self._engine.connect() as connection:
            others = select(spaces.c.organisation, spaces.c.name).where(
                spaces.c.state == SERVING, spaces.c.digest != space.digest
            )
            for organisation, name in connection.execute(others.order_by(spaces.c.organisation).limit(1)):
                raise SpaceMismatch(organisation, name, space.name)

    def check(self, organisation: str, space: EmbeddingSpace) -> bool:
        """Whether this space serves the organisation; False when none does yet.

        Raises:
            SpaceMismatch: another one serves.
        """
        with self._engine.connect() as connection:
            return _serves(connection, organisation, space)

    def serve(self, organisation: str, space: EmbeddingSpace) -> None:
        """Let the space serve an organisation that has none.

        Raises:
            SpaceMismatch: another one serves.
        """
        if self.check(organisation, space):
            return
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                # Two processes may both find none; the second waits here and then finds the first's.
                connection.exec_driver_sql("LOCK TABLE memory_spaces IN SHARE ROW EXCLUSIVE MODE")
            if not _serves(connection, organisation, space):
                row = asdict(space) | {"digest": space.digest, "state": SERVING, "since": self._clock()}
                connection.execute(insert(spaces).values(organisation=organisation, **row))


def _serves(connection: Connection, organisation: str, space: EmbeddingSpace) -> bool:
    statement = select(spaces.c.digest, spaces.c.name).where(
        spaces.c.organisation == organisation, spaces.c.state == SERVING
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return False
    if row.digest != space.digest:
        raise SpaceMismatch(organisation, row.name, space.name)
    return True
