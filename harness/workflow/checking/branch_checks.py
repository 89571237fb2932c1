"""What must hold of a branch node: its cases lead somewhere, each can be reached, and one is sure to hold."""

from harness.workflow.checking.graph_checks import unknown
from harness.workflow.checking.problems import Problems
from harness.workflow.node_kinds import BranchNode
from harness.workflow.spec import END, WorkflowSpec


def check_branch(spec: WorkflowSpec, name: str, node: BranchNode, problems: Problems) -> None:
    """Note what is wrong with one; its conditions are `expression_checks`'.

    Where no case holds, the branch ends, as it does where no edge's condition holds. A branch node is there to choose,
    so that one where this could happen unseen has to say it: `{to: end}`.
    """
    path = ("nodes", name, "cases")
    always: int | None = None
    for place, case in enumerate(node.cases):
        if case.to != END and case.to not in spec.nodes:
            problems.add((*path, place, "to"), unknown("node", case.to, [*spec.nodes, END]))
        if always is not None:
            problems.add((*path, place), f"never taken: cases[{always}] always holds and is taken first")
        elif case.when is None:
            always = place
    if always is None:
        problems.add(
            path, "where none holds the branch would end unseen: add a last case without `when`, or `{to: end}`"
        )
    for place, edge in enumerate(spec.edges):
        if edge.source == name:
            problems.add(("edges", place, "from"), f"{name!r} is a branch and leads where its `cases` say: add a case")
