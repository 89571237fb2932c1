"""What must hold of a node that asks a model: its role is bound, its templates, schema and examples make sense."""

from collections.abc import Callable
from typing import Any

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.workflow.answers import Rejected, read_answer
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_output_type, reference_problem
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_files import example_place, examples, output_schema
from harness.workflow.node_kinds import AgentNode, ModelNode, PlanNode
from harness.workflow.prompts import Variable, is_document, variables
from harness.workflow.value_types import schema_types

# Whether a binding fills a role, asked with workflow, node and role.
IsBound = Callable[[str, str, str], bool]


def check_role(
    loaded: LoadedWorkflow, name: str, role: str, path: KeyPath, is_bound: IsBound, problems: Problems
) -> None:
    """Note a role that no binding fills."""
    if not is_bound(loaded.spec.workflow, name, role):
        problems.add(path, f"no binding fills the role {role!r}: `harness bind {role} MODEL`")


def check_model(loaded: LoadedWorkflow, name: str, node: ModelNode, is_bound: IsBound, problems: Problems) -> None:
    """Note what is wrong with a model node."""
    check_role(loaded, name, node.role, ("nodes", name, "role"), is_bound, problems)
    check_prompts(loaded, name, node, problems)
    schema = check_answer(loaded, name, node, problems)
    _check_examples(loaded, node, schema, problems)


def check_answer(
    loaded: LoadedWorkflow, name: str, node: ModelNode | AgentNode, problems: Problems
) -> JsonObject | None:
    """The schema of a node's answers, where it has a usable one; noted where it is none, or fits no output."""
    try:
        schema = output_schema(loaded, name, node)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return None
    if node.for_each is None:
        said = ("string",) if schema is None else schema_types(schema)
        why = "an answer without `schema` is text" if schema is None else "the schema's answer does not fit"
        check_output_type(loaded.spec, node.output, said, ("nodes", name, "output"), why, problems)
    return schema


def _check_examples(loaded: LoadedWorkflow, node: ModelNode, schema: JsonObject | None, problems: Problems) -> None:
    """Examples have their shape, and show answers that would be accepted."""
    try:
        shown = examples(loaded, node)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return
    for place, example in enumerate(shown if schema is not None else ()):
        answer = read_answer(example.assistant, schema or {})
        if isinstance(answer, Rejected):
            reason = f"this answer is outside the node's schema: {answer.reason}"
            problems.add_lines([f"{example_place(loaded, node, place)}: {reason}"])


def check_prompts(
    loaded: LoadedWorkflow, name: str, node: ModelNode | AgentNode | PlanNode, problems: Problems
) -> None:
    """Note what is wrong with the templates and the documents of what a node asks."""
    used = check_template(loaded, node, node.prompt, problems)
    told = check_template(loaded, node, node.system, problems) if node.system is not None else []
    for place, document in enumerate(node.documents):
        key = ("nodes", name, "documents", place)
        if used is not None and not any(is_document(each.name, (document,)) for each in used):
            problems.add(key, f"the prompt does not use {document!r}: write `{{{{ {document} }}}}` in {node.prompt}")
    for each in told or []:
        if is_document(each.name, node.documents) and node.system is not None:
            place = f"{loaded.file_place(node.system)}:{each.line}:{each.column}"
            reason = "is a document, and may not speak in the system turn: move it to the prompt"
            problems.add_lines([f"{place}: {each.name}: {reason}"])


def check_template(loaded: LoadedWorkflow, node: Any, named: str, problems: Problems) -> list[Variable] | None:
    """The variables of a template, each known; None where it cannot be read, which is noted."""
    place = loaded.file_place(named)
    try:
        found = variables(loaded.files[named], name=place)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return None
    for each in found:
        reason = reference_problem(loaded.spec, node, each.name)
        if reason:
            problems.add_lines([f"{place}:{each.line}:{each.column}: {each.name}: {reason}"])
    return found
