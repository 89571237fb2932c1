"""Requests with places: what arguments can do in them, and what they cannot."""

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from harness.exceptions import ToolArgumentsRefused
from harness.tools.request_template import HttpRequestSpec


def request(arguments=None, **said):
    spec = HttpRequestSpec.model_validate({"url": "https://a.example/x", **said})
    return spec.filled("t", arguments or {})


def test_arguments_without_a_place_go_into_the_query_or_the_body():
    url = "https://a.example/items/{id}"
    arguments = {"id": "a b", "n": 2, "deep": {"x": [1]}, "left": None}

    got = request(arguments, url=url)
    assert got.url == "https://a.example/items/a%20b?n=2&deep=%7B%22x%22%3A%5B1%5D%7D"
    assert got.content is None

    posted = request(arguments, url=url, method="POST")
    assert posted.url == "https://a.example/items/a%20b"
    assert json.loads(posted.content) == {"n": 2, "deep": {"x": [1]}, "left": None}
    assert posted.content_type == "application/json"


def test_what_is_written_out_says_where_each_argument_goes():
    filled = request(
        {"id": 7, "tags": ["a", "b"], "title": "{id}"},
        url="https://a.example/{id}?v=1",
        method="POST",
        query={"tag": "{tags}", "fixed": "x", "absent": "{absent}"},
        json={"title": "{title}", "text": "no. {id}: {title}", "absent": "{absent}", "list": ["{absent}", "{id}"]},
    )

    assert filled.url == "https://a.example/7?v=1&tag=a&tag=b&fixed=x"
    # An argument's own braces are text and nothing more.
    assert json.loads(filled.content) == {"title": "{id}", "text": "no. 7: {id}", "list": [7]}


def test_a_body_of_text():
    filled = request({"who": "Ada"}, method="PUT", body="Hello {who}\n{absent}")

    assert (filled.content, filled.content_type) == (b"Hello Ada\n", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a/b", "..\\x", "../../admin", "a\r\nHost: evil", "\x00", None, [1], {}]
)
def test_an_argument_that_would_change_the_path_is_refused(value):
    with pytest.raises(ToolArgumentsRefused, match="argument 'id': "):
        request({"id": value}, url="https://a.example/items/{id}/notes")


def test_two_arguments_make_no_dots_together():
    with pytest.raises(ToolArgumentsRefused):
        request({"a": ".", "b": "."}, url="https://a.example/{a}{b}/x")


@pytest.mark.parametrize("url", ["https://a.example", "https://a.example?x={x}", "https://a.example/"])
def test_a_path_that_is_not_written_is_the_root(url):
    assert urlsplit(request({"x": "1"}, url=url).url).path == "/"


URL = "https://a.example:8443/v1/{one}/x-{two}.json?q={three}&fixed=1"
HOSTILE = [
    "..",
    "%2e%2e",
    "..%2f",
    "a/../../b",
    "@evil.test",
    "//evil.test",
    "?x=1",
    "#",
    "&fixed=2",
    ";",
    "\\",
    "\u2024\u2024",
]
words = st.one_of(st.text(max_size=12), st.sampled_from(HOSTILE), st.text("./\\@:?#&=%;+ \r\n{}", max_size=6))


@given(words, words, words, words)
@example("{two}", "{one}", "{three}", "https://evil.test/")
def test_no_argument_changes_the_host_the_path_or_another_parameter(one, two, three, four):
    spec = HttpRequestSpec.model_validate({"url": URL, "query": {"more": "{four}", "last": "z"}})
    try:
        url = spec.filled("t", {"one": one, "two": two, "three": three, "four": four}).url
    except ToolArgumentsRefused:
        assume(False)
        return

    sent = httpx.URL(url)  # the parser that connects
    assert (sent.scheme, sent.host, sent.port, sent.userinfo) == ("https", "a.example", 8443, b"")
    path, _, query = sent.raw_path.decode("ascii").partition("?")
    replaced = [each.encode("utf-8", "replace").decode() for each in (one, two, three, four)]
    assert [unquote(each) for each in path.split("/")] == ["", "v1", replaced[0], f"x-{replaced[1]}.json"]
    assert parse_qsl(query, keep_blank_values=True) == [
        ("q", replaced[2]),
        ("fixed", "1"),
        ("more", replaced[3]),
        ("last", "z"),
    ]
    # Another reader of addresses sees no other place.
    parts = urlsplit(str(sent))
    assert (parts.hostname, parts.port, parts.fragment) == ("a.example", 8443, "")
