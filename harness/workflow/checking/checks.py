"""Everything that can be known to be wrong with a workflow before it runs; nothing is imported, opened or asked.

That the file is a workflow at all, with no unknown key, is settled when it is loaded.
"""

from harness.exceptions import SpecificationInvalid
from harness.workflow.checking.confinement import check_confinement
from harness.workflow.checking.graph_checks import check_graph
from harness.workflow.checking.model_checks import IsBound
from harness.workflow.checking.node_checks import check_node, check_state
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.registry import Registry
from harness.workflow.loading import LoadedWorkflow

__all__ = ["IsBound", "check", "require_valid"]


def check(loaded: LoadedWorkflow, registry: Registry, is_bound: IsBound) -> list[str]:
    """What is wrong, one line a problem, `file:line:column: key: what is wrong, what mends it`; sorted by position.

    Args:
        registry: what the project registers.
        is_bound: whether a binding fills a role, asked with workflow, node and role.
    """
    problems = Problems(loaded)
    check_state(loaded.spec, problems)
    check_graph(loaded, registry, problems)
    for name in loaded.spec.nodes:
        check_node(loaded, name, registry=registry, is_bound=is_bound, problems=problems)
    if not problems.sorted():
        check_confinement(loaded, registry, problems)  # follows templates and edges, so they must make sense
    return problems.sorted()


def require_valid(loaded: LoadedWorkflow, registry: Registry, is_bound: IsBound) -> None:
    """Let only a workflow pass that has no problem, nor any workflow that is a step of it.

    Raises:
        SpecificationInvalid: with all of them.
    """
    steps = (loaded.step_workflow(name) for name in loaded.workflows)
    problems = [line for each in (loaded, *steps) for line in check(each, registry, is_bound)]
    if problems:
        raise SpecificationInvalid(list(dict.fromkeys(problems)))
