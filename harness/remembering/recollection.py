"""The memory as recall and remember nodes use it: plain records out, plain texts in, by scope."""

from collections.abc import Sequence

import anyio.to_thread

from harness.exceptions import FindingRefused
from harness.json_values import JsonObject
from harness.remembering.scopes import readers_scope, writers_scope
from harness.remembering.writes import written
from harness.workflow.node_kinds import RecallNode, RememberNode
from harness.workflow.nodes.recollection import RemembersFor
from memory import Hit, Kind, MemoryStore, MemoryStoreError, NewRecord, Trust
from memory import Provenance as RecordProvenance
from memory.record_store import Outcome


class MemoryRecollection:
    """Implements `harness.workflow.nodes.recollection.Recollection`. The store blocks, so it works in a thread."""

    def __init__(self, memory: MemoryStore) -> None:
        self._memory = memory

    async def recall(
        self, query: str, node: RecallNode, *, session: str | None, who: RemembersFor
    ) -> Sequence[JsonObject]:
        """See the port.

        Raises:
            FindingRefused: a scope or a kind that the memory does not know.
        """
        return await anyio.to_thread.run_sync(lambda: self._recall(query, node, session, who))

    async def remember_texts(
        self, texts: Sequence[str], node: RememberNode, *, session: str | None, trust: str, path: str, who: RemembersFor
    ) -> int:
        """See the port.

        Raises:
            FindingRefused: what the memory does not take; nothing was written.
        """
        return await anyio.to_thread.run_sync(lambda: self._remember(texts, node, session, trust, path, who))

    def _recall(self, query: str, node: RecallNode, session: str | None, who: RemembersFor) -> list[JsonObject]:
        try:
            found = self._memory.search(
                query,
                readers_scope(node.scope, session, who),
                k=node.limit,
                kinds=[Kind(kind) for kind in node.kinds] or None,
                trust_at_least=Trust.from_label(node.min_trust),
            )
        except (MemoryStoreError, ValueError) as error:
            raise FindingRefused(query[:60], str(error)) from error
        return [_plain(hit) for hit in found.hits]

    def _remember(
        self, texts: Sequence[str], node: RememberNode, session: str | None, trust: str, path: str, who: RemembersFor
    ) -> int:
        try:
            scope = writers_scope(node.scope, session, who)
            records = [
                NewRecord(
                    text=text,
                    kind=Kind(node.record_kind),
                    author=who.workflow,
                    scope=scope,
                    provenance=RecordProvenance(
                        source=f"run:{who.run_id}",
                        principal=who.person,
                        place=f"{path}#{place}",
                        run_id=who.run_id,
                        step=who.node,
                    ),
                    trust=Trust.from_label(trust),
                )
                for place, text in enumerate(texts)
            ]
            kept = written(lambda: self._memory.remember(records).written)
        except (MemoryStoreError, ValueError) as error:
            raise FindingRefused((texts[0] if texts else "")[:60], str(error)) from error
        return sum(each.outcome is not Outcome.UNCHANGED for each in kept)


def _plain(hit: Hit) -> JsonObject:
    record = hit.record
    return {
        "text": record.text,
        "kind": record.kind.value,
        "score": hit.score,
        "trust": record.trust.label,
        "source": record.provenance.source,
        "date": record.recorded_at.date().isoformat(),
        "record_id": record.record_id,
        "subjects": [str(subject) for subject in record.subjects],
    }
