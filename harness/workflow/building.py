"""Workflows written in Python: the same nodes as a workflow file has, with functions in place.

    flow = Workflow("letters", inputs=["letters"], state={"letters": list, "urgent": list, "answers": list})

    @flow.code(output="urgent")
    def pick(letters: list[dict]) -> list[dict]:
        return [each for each in letters if each["urgent"]]

    flow.model("answer", role="writer", prompt="Answer this: {{ letter.text }}",
               for_each="urgent", item="letter", output="answers")
    flow.edge("pick", "answer")

What comes out is what a file comes to, a `LoadedWorkflow`, so it is checked, run, resumed and forked the same way. Its
functions are not stored with a run: who resumes it hands the same workflow in again.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from harness.exceptions import SpecificationInvalid
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow, workflow_from_spec
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.spec import Reducer, StateKeySpec, ValueType, WorkflowSpec

Function = TypeVar("Function", bound=Callable[..., Any])

_TYPES: Mapping[type, ValueType] = {
    str: ValueType.STRING,
    bool: ValueType.BOOLEAN,
    int: ValueType.INTEGER,
    float: ValueType.NUMBER,
    list: ValueType.ARRAY,
    tuple: ValueType.ARRAY,
    dict: ValueType.OBJECT,
}
# Keys whose text stands in place here and in a file of its own in a workflow's folder.
_TEMPLATES = ("prompt", "system", "question")


class Workflow:
    """Puts a workflow together.

    Args:
        state: for each key its type, `Annotated[type, Reducer]` where several nodes write it at once, a `StateKeySpec`,
            or a TypedDict that says all of them.
        settings: what else the top of a workflow file may say: `description`, `limits`, `outcome`, `on_error`.
    """

    def __init__(
        self,
        name: str,
        *,
        state: Mapping[str, Any] | type = {},  # noqa: B006 - never changed
        inputs: Iterable[str] = (),
        **settings: Any,
    ) -> None:
        self.name = name
        self.functions: dict[str, Callable[..., Any]] = {}
        declared = get_type_hints(state, include_extras=True) if isinstance(state, type) else state
        self._state = {key: _state_key(each) for key, each in declared.items()}
        self._inputs = tuple(inputs)
        self._settings = settings
        self._nodes: dict[str, JsonObject] = {}
        self._edges: list[JsonObject] = []
        self._start: tuple[str, ...] = ()
        self._files: dict[str, str] = {}

    def code(self, *, output: str | tuple[str, ...] | None = None, **node: Any) -> Callable[[Function], Function]:
        """A decorator: the function is a code node of its own name.

        Parameters named as state keys, or as the item, are given those values unless `arguments` says otherwise.
        """

        def register(function: Function) -> Function:
            arguments = {**self._named_arguments(function, node.get("item", "item")), **node.get("arguments", {})}
            self._add_function(function, {**node, "arguments": arguments, "output": output})
            return function

        return register

    def node(self, *, writes: Iterable[str]) -> Callable[[Function], Function]:
        """A decorator: the function is a LangGraph node; it is given the state and returns an update of it.

        Args:
            writes: every key that it may return. One that an update leaves out stays as it is, and None changes
                nothing; an update of any other key fails the node.
        """

        def register(function: Function) -> Function:
            self._add_function(function, {"whole_state": True, "output": tuple(writes)})
            return function

        return register

    def model(self, name: str, *, role: str, prompt: str | Path, output: str, **node: Any) -> None:
        """A model node; `prompt` and `system` are templates in place, or paths of files."""
        self.add(name, "model", role=role, prompt=prompt, output=output, **node)

    def agent(self, name: str, *, role: str, prompt: str | Path, output: str, **node: Any) -> None:
        """An agent node, as `model` with `tools`."""
        self.add(name, "agent", role=role, prompt=prompt, output=output, **node)

    def add(self, name: str, kind: str, **node: Any) -> None:
        """A node of any kind, by the keys that a workflow file has for it."""
        if name in self._nodes:
            raise SpecificationInvalid([f"{self.name}: node {name!r} stands twice: rename one"])
        fields = {key: value for key, value in node.items() if value is not None}
        for key in _TEMPLATES:
            if key in fields:
                fields[key] = self._template(f"{name}.{key}", fields[key])
        self._nodes[name] = cast("JsonObject", {"kind": kind, **fields})

    def edge(self, source: str, *targets: str, when: str | None = None) -> None:
        """What runs after a node; several targets run in parallel. `when` is an expression over the state."""
        edge: JsonObject = {"from": source, "to": list[Json](targets)}
        self._edges.append(edge if when is None else {**edge, "when": when})

    def start(self, *names: str) -> None:
        """The first nodes; without this it is the node that was added first."""
        self._start = names

    def build(self) -> LoadedWorkflow:
        """The workflow, as a file of the same content would be.

        Raises:
            SpecificationInvalid: what was put together is no workflow.
        """
        document = {
            "workflow": self.name,
            "state": self._state,
            "inputs": self._inputs,
            "nodes": self._nodes,
            "edges": self._edges,
            "start": self._start or tuple(self._nodes)[:1],
            **self._settings,
        }
        try:
            spec = WorkflowSpec.model_validate(document)
        except ValidationError as error:
            problems = [
                f"{self.name}: {'.'.join(map(str, each['loc']))}: {each['msg']}"
                for each in error.errors(include_url=False)
            ]
            raise SpecificationInvalid(problems) from error
        return workflow_from_spec(spec, self._files)

    def _add_function(self, function: Callable[..., Any], node: Mapping[str, Any]) -> None:
        name = function.__name__
        self.add(name, "code", code=name, **node)
        self.functions[name] = function

    def _named_arguments(self, function: Callable[..., Any], item: str) -> JsonObject:
        hints = get_type_hints(function)
        known = {*self._state, item}
        return {
            name: {"from": name}
            for name in inspect.signature(function).parameters
            if name in known and hints.get(name) is not NodeContext
        }

    def _template(self, name: str, text: str | Path) -> str:
        self._files[name] = text.read_text(encoding="utf-8") if isinstance(text, Path) else text
        return name


def _state_key(declared: Any) -> StateKeySpec:
    """A key by its Python type."""
    if isinstance(declared, StateKeySpec):
        return declared
    reducer: Reducer | None = None
    if get_origin(declared) is Annotated:
        declared, *notes = get_args(declared)
        reducer = next((each for each in notes if isinstance(each, Reducer)), None)
    return StateKeySpec(type=_value_type(declared), reducer=reducer)


def _value_type(declared: Any) -> ValueType:
    if get_origin(declared) in (Union, UnionType):  # a key may always hold null
        others = [each for each in get_args(declared) if each is not type(None)]
        return _value_type(others[0]) if len(others) == 1 else ValueType.ANY
    return _TYPES.get(get_origin(declared) or declared, ValueType.ANY)
