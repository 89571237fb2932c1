"""Values of a run's state as they are typed, each read by the type of its state key."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import typer

from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject, plain_json
from harness.names import nearest_names
from harness.workflow.spec import ValueType, WorkflowSpec
from ontology.yaml_documents import read_yaml

_WORDS = {"true": True, "false": False}


def read_inputs(spec: WorkflowSpec, typed: Sequence[str], file: Path | None) -> JsonObject:
    """The inputs of `--input KEY=VALUE` over those of a file.

    Args:
        file: a YAML or JSON mapping.

    Raises:
        NameUnknown: the workflow takes no such input.
        BadParameter: a value that is not of its key's type, or text without `=`.
        YamlInvalid: the file cannot be read.
    """
    inputs: JsonObject = _from_file(file) if file else {}
    for key in inputs:
        _require_input(spec, key)
    for key, text in _typed(typed, "--input"):
        _require_input(spec, key)
        inputs[key] = _read(key, text, spec.state[key].type if key in spec.state else ValueType.ANY, "--input")
    return inputs


def read_changes(spec: WorkflowSpec, typed: Sequence[str]) -> JsonObject:
    """The state keys of `--set KEY=VALUE`.

    Raises:
        NameUnknown: the state has no such key.
        BadParameter: a value that is not of its key's type, or text without `=`.
    """
    changes: JsonObject = {}
    for key, text in _typed(typed, "--set"):
        if key not in spec.state:
            raise NameUnknown("state key", key, nearest_names(key, spec.state))
        changes[key] = _read(key, text, spec.state[key].type, "--set")
    return changes


def _typed(typed: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    for text in typed:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r}: write KEY=VALUE", param_hint=option)
        yield key, value


def _require_input(spec: WorkflowSpec, key: str) -> None:
    if key not in spec.inputs:
        raise NameUnknown("input", key, nearest_names(key, spec.inputs) or spec.inputs[:3])


def _from_file(path: Path) -> JsonObject:
    value = read_yaml(path).value
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{path}: write a mapping of inputs", param_hint="--input-file")
    return cast("JsonObject", plain_json(cast("object", value), where=str(path)))


def _read(key: str, text: str, declared: ValueType, option: str) -> Json:
    if declared is ValueType.STRING:
        return text
    try:
        return _READERS[declared](text)
    except (ValueError, KeyError) as error:
        hint = "JSON, such as [1, 2]" if declared in (ValueType.ARRAY, ValueType.OBJECT) else f"a {declared}"
        raise typer.BadParameter(f"{key}={text!r}: {key!r} takes {hint}", param_hint=option) from error


def _any(text: str) -> Json:
    """JSON where it is that, else the text as it is."""
    try:
        return _json(text)
    except ValueError:
        return text


def _json(text: str) -> Json:
    return json.loads(text, parse_constant=_refused)


def _refused(word: str) -> Json:
    raise ValueError(word)


def _number(text: str) -> Json:
    value = _json(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(text)  # noqa: TRY004 - one error for every way a text can be wrong
    return value


def _of(kind: type) -> Callable[[str], Json]:
    def read(text: str) -> Json:
        value = _json(text)
        if not isinstance(value, kind):
            raise ValueError(text)  # noqa: TRY004 - one error for every way a text can be wrong
        return value

    return read


_READERS: Mapping[ValueType, Callable[[str], Json]] = {
    ValueType.INTEGER: int,
    ValueType.NUMBER: _number,
    ValueType.BOOLEAN: lambda text: _WORDS[text.lower()],
    ValueType.ARRAY: _of(list),
    ValueType.OBJECT: _of(dict),
    ValueType.ANY: _any,
}
