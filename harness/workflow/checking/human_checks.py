"""What must hold of a human node: a question that can be asked, an answer that can be given, a time that can come."""

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.workflow.answers import value_problem
from harness.workflow.checking.model_checks import check_template
from harness.workflow.checking.problems import Problems
from harness.workflow.checking.references import check_output_type, check_reference
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import answer_schema
from harness.workflow.node_kinds import HumanNode, OnExpiry
from harness.workflow.origins import is_approval
from harness.workflow.value_types import schema_types


def check_human(loaded: LoadedWorkflow, name: str, node: HumanNode, problems: Problems) -> None:
    """Note what is wrong with one."""
    path = ("nodes", name)
    check_template(loaded, node, node.question, problems)
    for place, key in enumerate(node.shows):
        check_reference(loaded.spec, node, key, (*path, "shows", place), problems)
        if key in node.shows[:place]:
            problems.add((*path, "shows", place), f"{key!r} stands twice")
    _check_evasions(name, node, problems)
    try:
        schema = answer_schema(loaded, name, node)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return
    if node.for_each is None:
        why = "the answer does not fit" if node.answer is not None else "an approval is a mapping"
        check_output_type(loaded.spec, node.output, schema_types(schema), (*path, "output"), why, problems)
    _check_expiry(name, node, schema, problems)


def _check_evasions(name: str, node: HumanNode, problems: Problems) -> None:
    """What would answer in a person's place, or has no meaning where no process waits."""
    path = ("nodes", name)
    if node.cache is not None:
        problems.add((*path, "cache"), "a person is asked anew in each run: remove it")
    if node.timeout_seconds is not None:
        problems.add((*path, "timeout_seconds"), "no process waits for a person: use `expires_seconds`")
    if node.fallback is not None:
        problems.add((*path, "fallback"), "nothing answers for a person: use `on_expiry: default` with a `default`")


def _check_expiry(name: str, node: HumanNode, schema: JsonObject, problems: Problems) -> None:
    path = ("nodes", name)
    given = "default" in node.model_fields_set
    if node.on_expiry is OnExpiry.DEFAULT:
        if node.expires_seconds is None:
            problems.add((*path, "on_expiry"), "the question never expires: add `expires_seconds`")
        if not given:
            problems.add((*path, "on_expiry"), "there is no `default` to take: add one")
    elif given:
        problems.add((*path, "default"), "is never taken: add `on_expiry: default`, or remove it")
    if is_approval(node.default):
        problems.add((*path, "default"), "would approve what nobody saw: let it say `approved: false`")
    if given and node.default is not None:
        problem = value_problem(node.default, schema)
        if problem is not None:
            problems.add((*path, "default"), f"is outside the answer's schema: {problem}")
