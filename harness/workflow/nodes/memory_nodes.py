"""Recall and remember nodes: the memory as steps of a workflow, by scope."""

from typing import cast

from pydantic import ValidationError

from harness.exceptions import FindingRefused
from harness.json_values import Json, JsonObject
from harness.workflow.node_kinds import MemoryScope, RecallNode, RememberNode
from harness.workflow.nodes.findings import Findings, FoundBy
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.recollection import RemembersFor
from harness.workflow.origins import Origin
from harness.workflow.state_values import argument_value, value_at


class RecallNodeRunner:
    """Searches for one recall node."""

    def __init__(self, node: RecallNode) -> None:
        self.node = node

    async def run(self, visit: Visit) -> Json:
        """Records, best first; none where the query is empty."""
        query = value_at(self.node.query, visit.values)
        text = query if isinstance(query, str) else "" if query is None else str(query)
        if not text.strip():
            return []
        memory = visit.services.recollection()
        found = await memory.recall(text, self.node, session=_session(self.node.scope, visit), who=_who(visit))
        return list(found)


class RememberNodeRunner:
    """Writes for one remember node."""

    def __init__(self, name: str, node: RememberNode) -> None:
        self.name = name
        self.node = node

    async def run(self, visit: Visit) -> Json:
        """How much was written; what was there already counts as unchanged.

        Raises:
            FindingRefused: what the memory or the ontology does not take; nothing of these findings was written.
        """
        value = visit.values[self.node.source]
        given: list[Json] = value if isinstance(value, list) else [] if value is None else [value]
        if all(isinstance(each, str) for each in given):
            return await self._texts([str(each) for each in given], visit)
        return await self._findings(given, visit)

    async def _texts(self, texts: list[str], visit: Visit) -> Json:
        if not texts:
            return {"records": 0, "unchanged": 0, "entities": 0, "links": 0}
        session = _session(self.node.scope, visit)
        trust = visit.carried.origin.trust
        written = await visit.services.recollection().remember_texts(
            texts, self.node, session=session, trust=trust, path=visit.path, who=_who(visit)
        )
        return {"records": written, "unchanged": len(texts) - written, "entities": 0, "links": 0}

    async def _findings(self, given: list[Json], visit: Visit) -> Json:
        store = visit.services.findings()
        if store is None:
            raise FindingRefused(self.name, "this project has no ontology; name an `ontology` in harness.yaml")
        try:
            found = [Findings.model_validate(each) for each in given]
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise FindingRefused(".".join(map(str, first["loc"])), first["msg"]) from error
        found = [_no_more_trusted(each, visit.carried.origin) for each in found]
        run = visit.run
        found_by = FoundBy(
            organisation=run.organisation,
            person=run.person,
            run_id=run.run_id,
            workflow=run.workflow,
            node=self.name,
            at=visit.services.clock(),
            team=run.team,
            scope=self.node.scope,
            session=_session(self.node.scope, visit),
        )
        written = await store.remember(found, found_by)
        counts: JsonObject = {
            "records": written.records,
            "unchanged": written.unchanged,
            "entities": written.entities,
            "links": written.links,
        }
        return cast("Json", counts)


def _no_more_trusted(findings: Findings, origin: Origin) -> Findings:
    """Findings whose records are trusted no further than what they were made of: who made them may say anything."""
    records = tuple(each.model_copy(update={"trust": origin.no_more_than(each.trust)}) for each in findings.records)
    return findings.model_copy(update={"records": records})


def _session(scope: MemoryScope, visit: Visit) -> str | None:
    session = argument_value(scope.session, visit.values)
    return None if session is None else str(session)


def _who(visit: Visit) -> RemembersFor:
    run = visit.run
    return RemembersFor(run.organisation, run.person, run.team, run.run_id, run.workflow, visit.node)
