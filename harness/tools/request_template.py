"""An HTTP request with places for arguments: what goes into the address, the query and the body, and how.

An argument fills one segment of the path, one value of the query or a text in the body. It is quoted, and what would
change where the request goes in spite of that is refused: no argument names a host, a path or another parameter. Pure;
who sends it is `http_tool.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.exceptions import ToolArgumentsRefused
from harness.json_values import Json, JsonObject, canonical_json
from harness.tools.allowed_hosts import Origin, origin_of
from harness.tools.environment_values import EnvironmentValue, HeaderName, headers_without_secrets, variables_named

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
READING = frozenset({"GET", "HEAD"})
_IN_QUERY = frozenset({"GET", "HEAD", "DELETE"})

# Letters that stand in an address for themselves; a `#` and all that follows it would never be sent.
_LITERAL = r"[A-Za-z0-9._~!$&'()*+,;=:@%-]"
_PLACE = r"\{[A-Za-z_][A-Za-z0-9_]*\}"
_SEGMENT = rf"(?:{_LITERAL}|{_PLACE})"
_REST = re.compile(rf"(?P<path>(?:/{_SEGMENT}*)*)(?:\?(?P<query>(?:{_SEGMENT}|[/?])*))?")
_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# A server may decode a segment once more and then take a slash, or dots before it, for a way through its folders.
_LEAVES_SEGMENT = re.compile(r"[/\\\x00-\x1f\x7f]")
_DOTS = frozenset({"", ".", ".."})


class HttpRequestSpec(BaseModel):
    """An HTTP request as `harness.yaml` writes it; `{name}` is an argument's place.

    Args:
        url: with the scheme and the host written out; places are in the path or in the query.
        headers: constant; `env:NAME` and `Bearer env:NAME` are taken from the environment.
        query: parameters; a text that is one place takes the argument as it is, a list as several parameters.
        json_body: the body as JSON; a text that is one place stands for the argument as it is.
        body: the body as text instead.

    Arguments that have no place go into the query of GET, HEAD and DELETE and into the JSON body of the others,
    unless `query`, `json` or `body` say what does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = "GET"
    url: Annotated[str, Field(max_length=4000)]
    headers: dict[HeaderName, EnvironmentValue] = Field(default_factory=dict)
    query: dict[str, Json] | None = None
    json_body: Json = Field(default=None, alias="json")
    body: str | None = None

    @field_validator("url")
    @classmethod
    def _url_possible(cls, url: str) -> str:
        if _split(url) is None:
            raise ValueError(
                "is http:// or https://, a host without user or password, and a path or query whose only "
                "braces are places such as {name}"
            )
        path = _NAME.sub("x", url).partition("?")[0]
        if any(each in {".", ".."} for each in path.split("/")):
            raise ValueError("has a segment of dots: write the path that it leads to")
        return url

    @field_validator("headers")
    @classmethod
    def _headers_possible(cls, headers: dict[str, str]) -> dict[str, str]:
        headers_without_secrets(headers)
        return headers

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and self.has_json:
            raise ValueError("a request has one body: `json` or `body`")
        if self.method in READING and (self.body is not None or self.has_json):
            raise ValueError(f"{self.method} has no body: use `query`")
        return self

    @property
    def has_json(self) -> bool:
        """Whether a JSON body is written out."""
        return "json_body" in self.model_fields_set

    @property
    def origin(self) -> Origin:
        """Where it goes, whatever the arguments are."""
        split = _split(self.url)
        assert split is not None, "refused when it was read"
        return split.origin

    def places(self) -> tuple[str, ...]:
        """The arguments that have a place, in the order they are said."""
        return tuple(dict.fromkeys([*self._in_url(), *_places([self.query, self.json_body, self.body])]))

    def secret_variables(self) -> frozenset[str]:
        """The environment variables whose values are secrets."""
        return variables_named(self.headers.values())

    def _in_url(self) -> list[str]:
        return _NAME.findall(self.url)

    def filled(self, tool: str, arguments: JsonObject) -> "FilledRequest":
        """The request with these arguments in their places.

        Raises:
            ToolArgumentsRefused: one is missing, or would change where the request goes.
        """
        split = _split(self.url)
        assert split is not None, "refused when it was read"
        filling = _Filling(tool, arguments)
        segments = [filling.segment(each) for each in split.path.split("/")]
        query = [] if split.query is None else [filling.query_text(split.query)]
        rest = {key: value for key, value in arguments.items() if key not in self.places()}
        placed = self.query is not None or self.has_json or self.body is not None
        pairs = filling.pairs(self.query if self.query is not None else {})
        content: bytes | None = None
        content_type: str | None = None
        if self.body is not None:
            content, content_type = filling.text(self.body).encode(), "text/plain; charset=utf-8"
        elif self.has_json or (not placed and self.method not in _IN_QUERY):
            value = filling.value(self.json_body) if self.has_json else rest
            content, content_type = canonical_json(value).encode("utf-8", "replace"), "application/json"
        elif not placed:
            pairs = filling.pairs(rest, literal=True)
        if pairs:
            query.append(urlencode(pairs, quote_via=quote, safe=""))
        target = "/".join(segments) or "/"
        url = f"{split.prefix}{target}{'?' if query else ''}{'&'.join(query)}"
        return FilledRequest(self.method, url, content, content_type)


@dataclass(frozen=True, slots=True)
class FilledRequest:
    """A request as it is sent, but for its headers."""

    method: str
    url: str
    content: bytes | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class _Split:
    """An address in its parts; `prefix` is scheme, host and port as they are written."""

    prefix: str
    origin: Origin
    path: str
    query: str | None


def _split(url: str) -> _Split | None:
    origin = origin_of(url)
    if origin is None:
        return None
    begins = min((at for at in (url.find("/", url.index("//") + 2), url.find("?")) if at >= 0), default=len(url))
    match = _REST.fullmatch(url[begins:])
    return _Split(url[:begins], origin, match["path"], match["query"]) if match else None


class _Filling:
    """Arguments on their way into their places."""

    def __init__(self, tool: str, arguments: JsonObject) -> None:
        self._tool = tool
        self._arguments = arguments

    def segment(self, template: str) -> str:
        """One segment of the path; it stays one."""
        filled = _NAME.sub(self._in_segment, template)
        if template not in _DOTS and filled in _DOTS:
            raise self._refused(_NAME.findall(template)[0], "it would make the path another: give a name or number")
        return filled

    def query_text(self, template: str) -> str:
        """The query as it stands in the address."""
        return _NAME.sub(lambda match: quote(self._scalar(match[1]), safe=""), template)

    def pairs(self, named: Mapping[str, Json], *, literal: bool = False) -> list[tuple[str, str]]:
        """Parameters of the query; those without a value are left out.

        Args:
            literal: values are arguments themselves, in which braces mean nothing.
        """
        found: list[tuple[str, str]] = []
        for key, said in named.items():
            value = said if literal else self.value(said)
            several = value if isinstance(value, list) else [value]
            found += [(key, _as_text(each)) for each in several if each is not None and each is not _LEFT_OUT]
        return found

    def value(self, said: Json) -> Json:
        """A part of a body, with the arguments in it; what an argument that is not given would be is left out."""
        if isinstance(said, str):
            whole = _NAME.fullmatch(said)
            return self._arguments.get(whole[1], _LEFT_OUT) if whole else self.text(said)
        if isinstance(said, list):
            return [each for each in map(self.value, said) if each is not _LEFT_OUT]
        if isinstance(said, dict):
            values = ((key, self.value(each)) for key, each in said.items())
            return {key: each for key, each in values if each is not _LEFT_OUT}
        return said

    def text(self, template: str) -> str:
        """Text with arguments in it; an argument that is not given is empty."""
        return _NAME.sub(lambda match: _as_text(self._arguments.get(match[1], "")), template)

    def _in_segment(self, match: re.Match[str]) -> str:
        text = self._scalar(match[1])
        if _LEAVES_SEGMENT.search(text):
            raise self._refused(match[1], "it goes into the path: leave out slashes and control characters")
        return quote(text, safe="", errors="replace")

    def _scalar(self, name: str) -> str:
        value = self._arguments.get(name)
        if value is None or isinstance(value, list | dict):
            raise self._refused(name, "it goes into the address: give a text or a number")
        return _as_text(value)

    def _refused(self, name: str, reason: str) -> ToolArgumentsRefused:
        return ToolArgumentsRefused(self._tool, f"argument {name!r}: {reason}")


# Stands for an argument that was not given; told apart by identity.
_LEFT_OUT: Json = {}


def _as_text(value: Json) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text.encode("utf-8", "replace").decode()


def _places(said: Iterable[object]) -> Iterator[str]:
    for each in said:
        if isinstance(each, str):
            yield from _NAME.findall(each)
        elif isinstance(each, Mapping):
            yield from _places(each.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(each, list):
            yield from _places(each)  # pyright: ignore[reportUnknownArgumentType]
