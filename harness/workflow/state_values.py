"""Reading the state: dotted names, arguments that point into it, and whether a value fits its key's type."""

from collections.abc import Mapping
from typing import cast

from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject
from harness.names import nearest_names
from harness.workflow.origins import CLEAN, ORIGINS, input_origins, tracks_origins
from harness.workflow.spec import Reducer, StateKeySpec, ValueType, WorkflowSpec

# How often each node was come to: kept in the state, beside the workflow's keys, where a loop can come back to one.
# No workflow can name it, because keys begin with a letter.
VISITS = "_visits"

_TYPES: dict[ValueType, tuple[type, ...]] = {
    ValueType.STRING: (str,),
    ValueType.INTEGER: (int,),
    ValueType.NUMBER: (int, float),
    ValueType.BOOLEAN: (bool,),
    ValueType.ARRAY: (list,),
    ValueType.OBJECT: (dict,),
}

# What a reducer needs of a key that may hold anything.
_JOINED: dict[Reducer, ValueType] = {
    Reducer.APPEND: ValueType.ARRAY,
    Reducer.MERGE: ValueType.OBJECT,
    Reducer.ADD: ValueType.NUMBER,
}


def value_at(name: str, values: Mapping[str, Json]) -> Json:
    """The value under a dotted name, `key` or `key.field.field`.

    Raises:
        NameUnknown: there is no such key or field.
    """
    found: Json = None
    here: Mapping[str, Json] = values
    for part in name.split("."):
        if part not in here:
            raise NameUnknown("value", name, nearest_names(part, here))
        found = here[part]
        here = found if isinstance(found, dict) else {}
    return found


def argument_value(argument: Json, values: Mapping[str, Json]) -> Json:
    """A plain argument as it is; `{from: name}` as what stands under that name.

    Raises:
        NameUnknown: nothing stands there.
    """
    if isinstance(argument, dict) and argument.keys() == {"from"} and isinstance(argument["from"], str):
        return value_at(argument["from"], values)
    return argument


def misfit(key: str, value: Json, spec: StateKeySpec | None) -> str | None:
    """Why a value does not fit its key, in words; None when it does. A key may always hold null."""
    if spec is None or value is None:
        return None
    wanted = held_type(spec)
    if wanted is ValueType.ANY:
        return None
    fits = isinstance(value, _TYPES[wanted]) and not (isinstance(value, bool) and wanted is not ValueType.BOOLEAN)
    return None if fits else f"state key {key!r} holds {wanted.value}, not {type(value).__name__}"


def held_type(spec: StateKeySpec) -> ValueType:
    """What a key can hold: what it is declared with, else what its reducer joins."""
    if spec.type is ValueType.ANY and spec.reducer is not None:
        return _JOINED.get(spec.reducer, spec.type)
    return spec.type


def initial_state(spec: WorkflowSpec, inputs: JsonObject) -> JsonObject:
    """The state before the first node: inputs over defaults, no visits yet where they count, and what inputs carry."""
    visits: JsonObject = {VISITS: {}} if counts_visits(spec) else {}
    carried = {key: origin.to_json() for key, origin in input_origins(spec).items() if origin != CLEAN}
    origins: JsonObject = {ORIGINS: cast("Json", carried)} if tracks_origins(spec) else {}
    return {key: each.default for key, each in spec.state.items()} | inputs | visits | origins


def counts_visits(spec: WorkflowSpec) -> bool:
    """Whether a loop can come back to a node: each loop has a bounded one, so without any there is none."""
    return any(node.max_visits is not None for node in spec.work.values())
