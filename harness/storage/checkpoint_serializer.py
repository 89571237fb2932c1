"""What checkpoints hold: JSON of plain values, and of types that are named on a list.

A value of a listed type is written as `{"$": tag, "v": its fields}`. Nothing but a tag of the list makes an object on
reading, no name is ever imported, and a mapping of somebody's data that looks like a tag is written so that it comes
back as that mapping. LangChain's `lc` objects are mappings like any other; msgpack and pickles are not read at all.
Which types of the graph library are on the list is left to the saver; text of the result is left to the payloads.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from harness.exceptions import StateRefused

FORMAT = "json"

_MARK = "$"
_PLAIN_TAG = "plain"
_SET_TAG = "set"
_TAG_NAME = re.compile(r"[a-z][a-z0-9_.@-]*")
_SCALARS = frozenset({type(None), bool, int, float, str})
_DEEPEST = 200  # levels; json and the walk below both recurse

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class TaggedType:
    """A type that checkpoints carry: exactly it, no subclass.

    Args:
        tag: what stands in the JSON, for good: a renamed class keeps its tag.
        fields: the value as JSON, itself possibly holding values of listed types.
        build: the value again, from what `fields` returned; raises TypeError, ValueError or KeyError if it cannot.
    """

    tag: str
    type: type
    fields: Callable[[Any], object]
    build: Callable[[Any], object]


def versioned_model(name: str, version: int, model: type[BaseModel]) -> TaggedType:
    """A pydantic model under a name and version that outlive the class; its next version is another entry."""
    return TaggedType(f"{name}@{version}", model, lambda value: value.model_dump(mode="json"), model.model_validate)


class CheckpointSerializer:
    """Values to JSON text and back; langgraph's `SerializerProtocol`.

    Args:
        types: the list. Of several entries for one type the last is written and all are read, so an older version's
            entry can stay, with a `build` that upgrades.
    """

    def __init__(self, types: Iterable[TaggedType] = ()) -> None:
        listed = tuple(types)
        self._by_tag: Mapping[str, TaggedType] = {entry.tag: entry for entry in listed}
        self._by_type: Mapping[type, TaggedType] = {entry.type: entry for entry in listed}
        for tag in self._by_tag:
            if tag in (_PLAIN_TAG, _SET_TAG) or not _TAG_NAME.fullmatch(tag):
                raise ValueError(f"tag {tag!r} is taken or not of the form {_TAG_NAME.pattern}")

    def dumps(self, value: object, *, where: str) -> str:
        """The value as JSON.

        Raises:
            StateRefused: something in it is not of a plain or listed type, not finite, or nested too deep.
        """
        try:
            text = _encode(self._plain(value, 0))
            if not text.isascii():
                text = _without_lone_surrogates(text)
        except _Unkept as refused:
            place = where if refused.too_deep else self._place_of_refusal(value, where)
            raise StateRefused(place, refused.type_name) from None
        except ValueError as error:  # of json: a float that is not finite, an integer of thousands of digits
            raise StateRefused(where, str(error)) from error
        return text

    def dumps_items(self, value: object, *, where: str) -> Sequence[str]:
        """The JSON of a list's items or a mapping's pairs, one by one, as it stands between brackets and commas.

        Empty for what is neither, and for a mapping that looks like a tag.
        """
        if type(value) is list or type(value) is tuple:
            return [self.dumps(item, where=where) for item in cast("Sequence[object]", value)]
        if type(value) is dict and _MARK not in cast("dict[str, object]", value):
            pairs = cast("dict[str, object]", value).items()
            return [f"{self.dumps(key, where=where)}:{self.dumps(item, where=where)}" for key, item in pairs]
        return ()

    def loads(self, text: str) -> object:
        """The value of a JSON text.

        Raises:
            StateRefused: the text is not ours: another format, or a tag that is not on the list.
        """
        try:
            return json.loads(text, object_hook=self._revive if f'"{_MARK}"' in text else None)
        except (ValueError, RecursionError) as error:
            raise StateRefused("a stored value", "not JSON") from error

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """As langgraph asks for it: the format's name, and the JSON as UTF-8."""
        return FORMAT, self.dumps(obj, where="state").encode()

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value again; any format but ours is refused unread."""
        if data[0] != FORMAT:
            raise StateRefused("a stored value", data[0])
        try:
            text = data[1].decode()
        except UnicodeDecodeError as error:
            raise StateRefused("a stored value", "not UTF-8") from error
        return self.loads(text)

    def _plain(self, value: Any, depth: int) -> object:
        kind = cast("type[object]", type(value))
        if kind in _SCALARS:
            return value
        if depth > _DEEPEST:
            raise _Unkept(f"{kind.__name__} nested more than {_DEEPEST} deep", too_deep=True)
        if kind is dict:
            return self._plain_mapping(value, depth)
        if kind is list or kind is tuple:
            return [item if type(item) in _SCALARS else self._plain(item, depth + 1) for item in value]
        if kind is set or kind is frozenset:
            return {_MARK: _SET_TAG, "v": sorted(_texts(value))}
        if (entry := self._by_type.get(kind)) is not None:
            return {_MARK: entry.tag, "v": self._plain(entry.fields(value), depth + 1)}
        raise _Unkept(kind.__name__)

    def _plain_mapping(self, value: dict[Any, Any], depth: int) -> object:
        plain: dict[str, object] = {}
        for key, item in value.items():
            if type(key) is not str:
                raise _Unkept(f"mapping with a key of type {type(key).__name__}")
            plain[key] = item if type(item) in _SCALARS else self._plain(item, depth + 1)
        # As pairs, because reading revives the innermost mapping first.
        return {_MARK: _PLAIN_TAG, "v": list(plain.items())} if _MARK in plain else plain

    def _place_of_refusal(self, value: object, where: str) -> str:
        children: Iterable[tuple[object, object]] = ()
        if type(value) is dict:
            children = cast("dict[object, Any]", value).items()
        elif type(value) in (list, tuple):
            children = enumerate(cast("list[object]", value))
        for key, child in children:
            try:
                self._plain(child, 0)
            except _Unkept:
                return self._place_of_refusal(child, f"{where}.{key}")
        return where

    def _revive(self, mapping: dict[str, Any]) -> object:
        if _MARK not in mapping:
            return mapping
        tag: object = mapping[_MARK]
        fields: Any = mapping.get("v")
        try:
            if tag == _PLAIN_TAG:
                return dict(fields)
            if tag == _SET_TAG:
                return set(_texts(fields))
            if isinstance(tag, str) and tag in self._by_tag:
                return self._by_tag[tag].build(fields)
        except (TypeError, ValueError, KeyError, _Unkept) as error:
            raise StateRefused("a stored value", f"{tag}, not readable as one") from error
        raise StateRefused("a stored value", str(tag))


class _Unkept(Exception):
    """A type that is not kept; where it stood is found afterwards, because almost nothing is refused."""

    def __init__(self, type_name: str, *, too_deep: bool = False) -> None:
        super().__init__(type_name)
        self.type_name = type_name
        self.too_deep = too_deep


def _texts(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if type(value) is not str:
            raise _Unkept(f"set of {type(value).__name__}")
        yield value


def _without_lone_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # databases take UTF-8 alone; escaped, it comes back as it was
        return _encode_ascii(json.loads(text))
    return text
