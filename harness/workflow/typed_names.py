"""Which values of a workflow can only be numbers, ids and fixed words, by the schemas of the models that write them.

The same for the check of a file and for a run, so that what the one lets pass the other does too.
"""

from collections.abc import Mapping
from dataclasses import replace

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import output_schema
from harness.workflow.node_kinds import AgentNode, BranchNode, ModelNode, ToolNode
from harness.workflow.origins import CLEAN, Origin, is_typed, origin_of_read, schema_at
from harness.workflow.reads import argument_names


def schema_of_answer(loaded: LoadedWorkflow, name: str) -> JsonObject | None:
    """The schema of a model's answer; None where it has none, or one that cannot be read, which is told elsewhere."""
    node = loaded.spec.work[name]
    if not isinstance(node, ModelNode | AgentNode):
        return None
    try:
        return output_schema(loaded, name, node)
    except SpecificationInvalid:
        return None


def is_typed_name(loaded: LoadedWorkflow, name: str) -> bool:
    """Whether a dotted name leads to what can only be numbers, ids and fixed words, whoever wrote it."""
    spec, (head, _, rest) = loaded.spec, name.partition(".")
    writers = [writer for writer in spec.work if head in spec.outputs(writer)]
    if not writers or head in spec.inputs:
        return False
    for writer in writers:
        node, schema = spec.work[writer], schema_of_answer(loaded, writer)
        # What failed, or a part's result, is no answer.
        if isinstance(node, BranchNode) or node.output != head or schema is None:
            return False
        found = schema_at(schema, rest)
        if found is None or not is_typed(found):
            return False
    return True


def typed_arguments(loaded: LoadedWorkflow, node: ToolNode) -> Mapping[str, bool]:
    """The names that a tool node's arguments point at, and whether each can carry no instruction."""
    return {name: is_typed_name(loaded, name) for name in argument_names(node.arguments.values())}


def origin_of_call(node: ToolNode, typed: Mapping[str, bool], origins: Mapping[str, Origin]) -> Origin:
    """What a tool node's call carries: its arguments together, each as far as it can carry an instruction."""
    found = {name: origin_of_read((name,), origins, node) for name in typed}
    return CLEAN.joined(*(replace(each, untrusted=each.untrusted and not typed[name]) for name, each in found.items()))
