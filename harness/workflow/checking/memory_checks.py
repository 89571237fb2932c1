"""What must hold of recall and remember nodes."""

from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_key, check_reference
from harness.workflow.node_kinds import RecallNode, RememberNode
from harness.workflow.reads import argument_names
from harness.workflow.spec import ValueType, WorkflowSpec

_FINDINGS = (ValueType.OBJECT, ValueType.ARRAY, ValueType.STRING, ValueType.ANY)


def check_memory(spec: WorkflowSpec, name: str, node: RecallNode | RememberNode, problems: Problems) -> None:
    """Note what is wrong with one."""
    path = ("nodes", name)
    for read in argument_names([node.scope.session]):
        check_reference(spec, node, read, (*path, "scope", "session", "from"), problems)
    if isinstance(node, RecallNode):
        check_reference(spec, node, node.query, (*path, "query"), problems)
    elif check_key(spec, node.source, (*path, "from"), problems):
        declared = spec.state[node.source].type
        if declared not in _FINDINGS:
            problems.add((*path, "from"), f"holds texts or findings, or an array of them, not {declared}")
