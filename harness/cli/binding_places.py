"""The places of a project that a model can be bound at: its workflows, their nodes and roles."""

from harness.exceptions import ConfigurationInvalid, NameUnknown
from harness.names import nearest_names
from harness.project import Project
from harness.routing.binding_changes import Place
from harness.workflow.loading import load_workflow
from harness.workflow.node_kinds import AgentNode, ModelNode, PlanNode
from harness.workflow.spec import WorkflowSpec


def workflows_of(project: Project | None) -> dict[str, WorkflowSpec]:
    """The project's workflows by the name it gives them and by their own, which calls are charged to.

    Raises:
        SpecificationInvalid: one of them cannot be read.
    """
    found: dict[str, WorkflowSpec] = {}
    if project is None:
        return found
    for name in project.file.workflows:
        spec = load_workflow(project.workflow_path(name)).spec
        found[name] = found[spec.workflow] = spec
    return found


def roles_of(spec: WorkflowSpec) -> dict[str, tuple[str, ...]]:
    """The nodes of a workflow that ask a model, each with its own role first: then its fallback's and its workers'."""
    found: dict[str, tuple[str, ...]] = {}
    for name, node in spec.work.items():
        if not isinstance(node, ModelNode | AgentNode | PlanNode):
            continue
        workers = node.workers.values() if isinstance(node, PlanNode) else ()
        others = [node.fallback.role if node.fallback else None, *(worker.role for worker in workers)]
        found[name] = tuple(dict.fromkeys([node.role, *(role for role in others if role is not None)]))
    return found


def filled_place(place: Place, specs: dict[str, WorkflowSpec], project: Project | None) -> tuple[str | None, str]:
    """The workflow and role that a place means, checked against the project's workflows where it has some.

    Raises:
        NameUnknown: no such workflow, node or role.
        ConfigurationInvalid: a node's role is asked for where there is no project.
    """
    if place.workflow is None:
        assert place.role is not None  # a place without a workflow is a role
        return None, place.role
    if not specs:
        if place.role is None:
            where = "no harness.yaml was found" if project is None else "the project names no workflow"
            shown = f"{place.workflow}/{place.node}"
            raise ConfigurationInvalid("place", shown, "command line", f"{where}, so write {shown}:ROLE")
        return place.workflow, place.role
    spec = specs.get(place.workflow)
    if spec is None:
        raise NameUnknown("workflow", place.workflow, nearest_names(place.workflow, specs))
    roles = roles_of(spec)
    if place.node is not None and place.node not in roles:
        kind = "node that asks a model" if place.node in spec.nodes else "node"
        raise NameUnknown(f"{kind} in workflow {spec.workflow!r}:", place.node, nearest_names(place.node, roles))
    role = place.role or roles[place.node or ""][0]
    asked = set(roles[place.node]) if place.node else {each for of_node in roles.values() for each in of_node}
    if role not in asked:
        where = f"{spec.workflow}/{place.node}" if place.node else spec.workflow
        raise NameUnknown(f"role of {where!r}:", role, nearest_names(role, asked) or sorted(asked)[:3])
    return spec.workflow, role
