"""What makes the results of two visits equal: the node as it is written, what it reads, who answers, who may see it."""

from harness.json_values import Json, digest_of
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import BranchNode, PlanNode, WorkNode
from harness.workflow.node_options import CacheScope
from harness.workflow.nodes.asking_models import call_context
from harness.workflow.nodes.node_services import RunIdentity, Visit
from harness.workflow.reads import names_of_visit


class CacheKeys:
    """Digests for one node of one workflow; the workflow's own digest is in them, so that a changed prompt is another."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: WorkNode) -> None:
        assert not isinstance(node, BranchNode)
        self._name = name
        self._node = node
        self._of_workflow = loaded.digest
        self._heads = frozenset(each.partition(".")[0] for each in names_of_visit(loaded, name))

    async def digest(self, visit: Visit) -> str:
        """The key of a visit's result."""
        cache = self._node.cache
        assert cache is not None
        return digest_of(
            {
                "workflow": self._of_workflow,
                "node": self._name,
                "reads": {key: value for key, value in visit.values.items() if key in self._heads},
                "answers": await self._answering(visit),
                "seen_by": _seen_by(visit.run, cache.scope),
            }
        )

    async def _answering(self, visit: Visit) -> Json:
        """The models that would be asked, in their order."""
        role = getattr(self._node, "role", None)
        roles = [role] if role is not None else []
        if isinstance(self._node, PlanNode):
            roles += [worker.role for worker in self._node.workers.values() if worker.role is not None]
        found: dict[str, Json] = {}
        for each in roles:
            decision = await visit.services.model_call.route(call_context(visit, each))
            found[each] = [f"{target.endpoint_name}/{target.model_name}" for target in decision.targets]
        return found


def _seen_by(run: RunIdentity, scope: CacheScope) -> str:
    match scope:
        case CacheScope.PERSON:
            return f"person:{run.person}"
        case CacheScope.TEAM:
            # Without a team it is nobody's but the person's.
            return f"team:{run.team}" if run.team else f"person:{run.person}"
        case CacheScope.ORGANISATION:
            return "organisation"
