"""What must hold between a node and the state: keys that exist, types that fit, prompts, schemas and examples."""

from collections.abc import Callable, Collection, Iterable

from harness.exceptions import SpecificationInvalid
from harness.json_values import JsonObject
from harness.workflow.answers import Rejected, read_answer
from harness.workflow.checking.graph_checks import outputs, unknown
from harness.workflow.checking.problems import Problems
from harness.workflow.loading import KeyPath, LoadedWorkflow
from harness.workflow.node_files import example_place, examples, output_schema
from harness.workflow.prompts import Variable, is_document, variables
from harness.workflow.spec import CodeNode, ModelNode, Node, RememberNode, ToolNode, ValueType, WorkflowSpec
from harness.workflow.value_types import fits, reducer_fits, reducer_types, schema_types, type_of

IsBound = Callable[[str, str, str], bool]
_WITH_FIELDS = (ValueType.OBJECT, ValueType.ANY)


def check_state(spec: WorkflowSpec, problems: Problems) -> None:
    """Note what is wrong with the declarations of the state, the inputs and the conditions of edges."""
    for key, declared in spec.state.items():
        if declared.reducer and not reducer_fits(declared.reducer, declared.type):
            reason = (
                f"{declared.reducer.value!r} joins {reducer_types(declared.reducer)}, but {key!r} is {declared.type}"
            )
            problems.add(("state", key, "reducer"), reason)
        if declared.default is not None and not fits(type_of(declared.default), declared.type):
            problems.add(("state", key, "default"), f"is {type_of(declared.default)}, but {key!r} is {declared.type}")
    for place, key in enumerate(spec.inputs):
        _check_key(spec, key, ("inputs", place), problems)
        if key in spec.inputs[:place]:
            problems.add(("inputs", place), f"{key!r} stands twice")
    if spec.outcome is not None:
        _check_path(spec, spec.outcome, ("outcome",), problems)
    _check_conditions(spec, problems)


def check_node(
    loaded: LoadedWorkflow, name: str, *, registry_names: Collection[str], is_bound: IsBound, problems: Problems
) -> None:
    """Note what is wrong with one node."""
    spec, node = loaded.spec, loaded.spec.nodes[name]
    path = ("nodes", name)
    _check_item(spec, node, path, problems)
    if node.when is not None:
        _check_path(spec, node.when, (*path, "when"), problems)
    for key in outputs(spec, name):
        _check_key(spec, key, (*path, "output"), problems)
    if node.for_each is not None and isinstance(node.output, tuple):
        problems.add((*path, "output"), "the list that `for_each` makes goes to one state key: name one")
    elif node.for_each is not None and isinstance(node.output, str):
        _check_output_type(spec, node.output, ("array",), (*path, "output"), "`for_each` makes it a list", problems)
    if isinstance(node, ModelNode):
        _check_model_node(loaded, name, node, is_bound, problems)
    elif isinstance(node, RememberNode):
        if _check_key(spec, node.source, (*path, "from"), problems):
            declared = spec.state[node.source].type
            if declared not in (ValueType.OBJECT, ValueType.ARRAY, ValueType.ANY):
                problems.add((*path, "from"), f"holds findings, an object or an array of them, not {declared}")
    else:
        _check_callable(spec, name, node, registry_names, problems)


def _check_key(spec: WorkflowSpec, key: str, path: KeyPath, problems: Problems) -> bool:
    """Whether a state key is declared; noted where it is not."""
    if key not in spec.state:
        problems.add(path, unknown("state key", key, spec.state))
    return key in spec.state


def _check_conditions(spec: WorkflowSpec, problems: Problems) -> None:
    for place, edge in enumerate(spec.edges):
        if edge.when is None or not _check_path(spec, edge.when.key, ("edges", place, "when", "key"), problems):
            continue
        if edge.when.key not in spec.state:
            continue  # what a field holds is not declared
        declared, found = spec.state[edge.when.key].type, type_of(edge.when.equals)
        if found != "null" and not fits(found, declared):
            reason = f"never holds: {edge.when.key!r} is {declared}, this value is {found}"
            problems.add(("edges", place, "when", "equals"), reason)


def _check_path(spec: WorkflowSpec, name: str, path: KeyPath, problems: Problems) -> bool:
    """Whether a state key, or a field within one, can be there; noted where it cannot."""
    reason = _state_problem(spec, name, spec.state)
    if reason:
        problems.add(path, reason)
    return reason is None


def _check_item(spec: WorkflowSpec, node: Node, path: KeyPath, problems: Problems) -> None:
    if node.for_each is None:
        if node.task is not None:
            problems.add((*path, "task"), "names a field of the item, but there is none: add `for_each`")
        if "item" in node.model_fields_set:
            problems.add((*path, "item"), "there is no item without `for_each`: add that, or remove this")
        return
    if _check_key(spec, node.for_each, (*path, "for_each"), problems):
        declared = spec.state[node.for_each].type
        if declared not in (ValueType.ARRAY, ValueType.ANY):
            problems.add((*path, "for_each"), f"goes through an array, but {node.for_each!r} is {declared}")
    if node.item in spec.state:
        key = "item" if "item" in node.model_fields_set else "for_each"
        problems.add((*path, key), f"the item {node.item!r} would hide the state key of that name: set another `item`")


def _check_output_type(
    spec: WorkflowSpec, key: str, found: tuple[str, ...], path: KeyPath, why: str, problems: Problems
) -> None:
    """Note an output that can never stand in its state key; `found`: the types that it can have."""
    declared = spec.state.get(key)
    if declared is not None and found and not any(fits(each, declared.type) for each in found):
        problems.add(path, f"{why} ({' or '.join(found)}), but the state key {key!r} is {declared.type}")


def _check_callable(
    spec: WorkflowSpec, name: str, node: ToolNode | CodeNode, registry_names: Collection[str], problems: Problems
) -> None:
    path = ("nodes", name)
    called = node.tool if isinstance(node, ToolNode) else node.code
    if called not in registry_names:
        reason = f"{unknown(node.kind, called, registry_names)} (tools and code are registered in harness.yaml)"
        problems.add((*path, node.kind), reason)
    for argument, value in node.arguments.items():
        if isinstance(value, dict) and value.keys() == {"from"}:
            source = value["from"]
            place = (*path, "arguments", argument, "from")
            if isinstance(source, str):
                _check_reference(spec, node, source, place, problems)
            else:
                problems.add(place, "names a state key or a field of the item: write it as text")


def _check_reference(spec: WorkflowSpec, node: Node, name: str, path: KeyPath, problems: Problems) -> None:
    reason = _reference_problem(spec, node, name)
    if reason:
        problems.add(path, reason)


def _reference_problem(spec: WorkflowSpec, node: Node, name: str) -> str | None:
    """What is wrong with a dotted name that a node reads."""
    head = name.partition(".")[0]
    if node.for_each is not None and head == node.item:
        return None
    if head == node.item and head not in spec.state:
        return f"{head!r} is an item, and there is none without `for_each`"
    return _state_problem(spec, name, [*spec.state, *([node.item] if node.for_each else [])])


def _state_problem(spec: WorkflowSpec, name: str, known: Iterable[str]) -> str | None:
    """What is wrong with a state key, or a field within one; `known`: the names that could be meant."""
    head, _, below = name.partition(".")
    if head not in spec.state:
        return unknown("state key", head, known)
    if below and spec.state[head].type not in _WITH_FIELDS:
        return f"{head!r} is {spec.state[head].type} and has no field {below!r}"
    return None


def _check_model_node(
    loaded: LoadedWorkflow, name: str, node: ModelNode, is_bound: IsBound, problems: Problems
) -> None:
    path = ("nodes", name)
    if not is_bound(loaded.spec.workflow, name, node.role):
        reason = f"no binding fills the role {node.role!r}: `harness bind {node.role} MODEL`"
        problems.add((*path, "role"), reason)
    _check_prompts(loaded, name, node, problems)
    schema: JsonObject | None = None
    try:
        schema = output_schema(loaded, name, node)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
    else:
        if node.for_each is None:
            said = ("string",) if schema is None else schema_types(schema)
            why = "an answer without `schema` is text" if schema is None else "the schema's answer does not fit"
            _check_output_type(loaded.spec, node.output, said, (*path, "output"), why, problems)
    _check_examples(loaded, node, schema, problems)


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


def _check_prompts(loaded: LoadedWorkflow, name: str, node: ModelNode, problems: Problems) -> None:
    used = _check_template(loaded, node, node.prompt, problems)
    told = _check_template(loaded, node, node.system, problems) if node.system is not None else []
    for place, document in enumerate(node.documents):
        key = ("nodes", name, "documents", place)
        if used is not None and not any(is_document(each.name, (document,)) for each in used):
            problems.add(key, f"the prompt does not use {document!r}: write `{{{{ {document} }}}}` in {node.prompt}")
    for each in told or []:
        if is_document(each.name, node.documents) and node.system is not None:
            place = f"{loaded.file_place(node.system)}:{each.line}:{each.column}"
            reason = "is a document, and may not speak in the system turn: move it to the prompt"
            problems.add_lines([f"{place}: {each.name}: {reason}"])


def _check_template(loaded: LoadedWorkflow, node: ModelNode, named: str, problems: Problems) -> list[Variable] | None:
    """The variables of a template, each known; None where it cannot be read, which is noted."""
    place = loaded.file_place(named)
    try:
        found = variables(loaded.files[named], name=place)
    except SpecificationInvalid as invalid:
        problems.add_lines(invalid.problems)
        return None
    for each in found:
        reason = _reference_problem(loaded.spec, node, each.name)
        if reason:
            problems.add_lines([f"{place}:{each.line}:{each.column}: {each.name}: {reason}"])
    return found
