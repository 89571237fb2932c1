"""Whose memory a node means: the scope of a workflow file as the memory's own."""

from typing import Protocol

from harness.exceptions import FindingRefused
from harness.workflow.node_kinds import MemoryScope
from memory import Scope


class Remembers(Protocol):
    """For whom something is remembered."""

    @property
    def organisation(self) -> str: ...  # noqa: D102

    @property
    def person(self) -> str: ...  # noqa: D102

    @property
    def team(self) -> str | None: ...  # noqa: D102


def readers_scope(scope: MemoryScope, session: str | None, who: Remembers) -> Scope:
    """A person reads what is theirs, their team's and everyone's; a team and the organisation what is shared there."""
    person = who.person if scope.level == "person" else None
    team = None if scope.level == "organisation" else who.team
    return Scope(organisation=who.organisation, team=team, person=person, agent=scope.agent, session=session)


def writers_scope(scope: MemoryScope, session: str | None, who: Remembers) -> Scope:
    """Exactly whom it is for; a person's own is in no team, so that it follows them.

    Raises:
        FindingRefused: it is for a team, and the person is in none.
    """
    if scope.level == "team" and who.team is None:
        raise FindingRefused("scope: team", f"{who.person!r} is in no team: choose `person` or `organisation`")
    person = who.person if scope.level == "person" else None
    team = who.team if scope.level == "team" else None
    return Scope(organisation=who.organisation, team=team, person=person, agent=scope.agent, session=session)
