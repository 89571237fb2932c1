"""What the files of a node say: the JSON Schema of its answers and its worked examples.

Both are YAML, of which JSON is a part. The prompt's templates are read in `prompts.py`.
"""

from typing import cast

from pydantic import RootModel, ValidationError

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.workflow.answers import schema_problem
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_kinds import AgentNode, Example, HumanNode, ModelNode
from harness.workflow.nodes.questions import APPROVAL_SCHEMA
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, parse_yaml, validation_problems


class _Examples(RootModel[tuple[Example, ...]]):
    """A list of worked examples."""


def output_schema(loaded: LoadedWorkflow, name: str, node: ModelNode | AgentNode) -> JsonObject | None:
    """The JSON Schema that the node's answers are held to; None where an answer is plain text.

    Args:
        name: of the node.

    Raises:
        SpecificationInvalid: it is not a JSON Schema; with the place.
    """
    if node.output_schema is None:
        return None
    return _schema(loaded, node.output_schema, ("nodes", name, "schema"))


def answer_schema(loaded: LoadedWorkflow, name: str, node: HumanNode) -> JsonObject:
    """The JSON Schema that a person's answer is held to: the node's own, else that of an approval.

    Args:
        name: of the node.

    Raises:
        SpecificationInvalid: it is not a JSON Schema; with the place.
    """
    return APPROVAL_SCHEMA if node.answer is None else _schema(loaded, node.answer, ("nodes", name, "answer"))


def _schema(loaded: LoadedWorkflow, said: str | JsonObject, key: KeyPath) -> JsonObject:
    """A schema that stands in a file of its own, or in place under a key of the workflow's."""
    if isinstance(said, str):
        document, prefix = _document(loaded, said), ()
        schema = document.value
    else:
        document, prefix = loaded.document, key
        schema = said
    problem = schema_problem(schema)
    if problem is not None:
        raise SpecificationInvalid([document.problem((*prefix, *problem.path), problem.reason)])
    return cast("JsonObject", schema)


def examples(loaded: LoadedWorkflow, node: ModelNode) -> tuple[Example, ...]:
    """The node's worked examples, in their order.

    Raises:
        SpecificationInvalid: the file is not a list of `user`/`assistant` pairs.
    """
    if node.examples is None:
        return ()
    document = _document(loaded, node.examples)
    try:
        return _Examples.model_validate(document.value).root
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, Example)) from error


def example_place(loaded: LoadedWorkflow, node: ModelNode, place: int) -> str:
    """Where the answer of an example stands, `file:line:column: key`."""
    assert node.examples is not None
    return _document(loaded, node.examples).problem((place, "assistant"), "").removesuffix(": ")


def _document(loaded: LoadedWorkflow, named: str) -> YamlDocument:
    try:
        return parse_yaml(loaded.files[named], name=loaded.file_place(named))
    except YamlInvalid as invalid:
        raise SpecificationInvalid(invalid.problems) from invalid
