"""Results of servers as plain JSON."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

from mcp_types import CallToolResult

from harness.exceptions import ToolFailed
from harness.integrations.mcp_results import plain_answer


def answer(content=(), limit=10_000, **more):
    result = CallToolResult.model_validate({"content": list(content), **more})
    return plain_answer("shop.echo", result, max_result_bytes=limit)


def text(words):
    return {"type": "text", "text": words}


PNG = {"type": "image", "data": base64.b64encode(bytes(1000)).decode(), "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("content", "more", "value"),
    [
        ([], {}, None),
        ([text("hello\x1b")], {}, "hello\x1b"),
        ([text("a"), text("b")], {}, [text("a"), text("b")]),
        ([PNG], {}, {"type": "image", "mime": "image/png", "bytes": 1000}),
        ([text("a"), PNG], {}, [text("a"), {"type": "image", "mime": "image/png", "bytes": 1000}]),
        ([text('{"n":1}')], {"structuredContent": {"n": 1}}, {"n": 1}),
        (
            [text("a"), PNG],
            {"structuredContent": {"n": 1}},
            {"structured": {"n": 1}, "content": [{"type": "image", "mime": "image/png", "bytes": 1000}]},
        ),
        (
            [{"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "words"}}],
            {},
            {"type": "resource", "uri": "file:///a", "mime": "text/plain", "text": "words"},
        ),
        (
            [{"type": "resource", "resource": {"uri": "file:///a", "blob": base64.b64encode(b"abcd").decode()}}],
            {},
            {"type": "resource", "uri": "file:///a", "mime": None, "bytes": 4},
        ),
        (
            [{"type": "resource_link", "uri": "file:///a", "name": "a"}],
            {},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "mime": None},
        ),
    ],
)
def test_content_is_plain_json_and_data_is_told_by_its_size(content, more, value):
    assert answer(content, **more) == value


@given(st.binary(max_size=50))
def test_the_size_of_data_is_that_of_what_it_stands_for(data):
    shown = answer([{**PNG, "data": base64.b64encode(data).decode()}])
    assert shown["bytes"] == len(data)


def test_the_words_of_a_failed_tool_are_shown_plainly_and_bounded():
    with pytest.raises(ToolFailed) as failed:
        answer([text("no such\x1b[31m order\u202e"), text("x" * 10_000)], isError=True)
    assert failed.value.reason.startswith("no such\\u001b[31m order\\u202e\nxxx")
    assert len(failed.value.reason) < 2_100
    assert not failed.value.retryable
    with pytest.raises(ToolFailed, match="said nothing"):
        answer([PNG], isError=True)


def test_a_result_is_measured_as_it_would_be_kept():
    assert answer([text("x" * 98)], limit=100) == "x" * 98
    with pytest.raises(ToolFailed, match="its answer is 101 bytes long, and max_result_bytes allows 100"):
        answer([text("x" * 99)], limit=100)
    with pytest.raises(ToolFailed, match="is 302 bytes long"):
        answer([text("\u20ac" * 100)], limit=100)


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ToolFailed, match="is no JSON"):
        answer(structuredContent={"n": float("inf")})
