"""What bounds the input of a request: its bytes, or the context where bytes do not say it all."""

import pytest

from harness.dialects.wire import WireRequest
from harness.metering.input_bounds import input_bound
from harness.models.message_parts import (
    DocumentPart,
    ImagePart,
    OtherPart,
    ServerToolPart,
    TextPart,
    ToolResultPart,
)
from harness.models.messages import Message, ModelRequest

WIRE = WireRequest("POST", "https://there.example/v1", {}, b"x" * 500, 1.0)
PICTURE = ImagePart(url="https://pictures.example/a.png")


def bound(*parts, context_tokens=100_000):
    request = ModelRequest(
        messages=(Message(role="user", parts=(TextPart(text="Look:"), *parts)),), max_output_tokens=9
    )
    return input_bound(request, WIRE, context_tokens=context_tokens)


@pytest.mark.parametrize(
    "part",
    [
        PICTURE,
        ImagePart(media_type="image/png", data="aGk="),
        DocumentPart(url="https://papers.example/a.pdf"),
        DocumentPart(media_type="application/pdf", data="aGk="),
        ServerToolPart(name="web_search", text="found"),
        OtherPart(kind="new"),
        ToolResultPart(call_id="c", text="seen", attachments=(PICTURE,)),
    ],
)
def test_what_may_say_more_than_its_bytes_is_bounded_by_the_context(part):
    assert bound(part) == 100_000


@pytest.mark.parametrize("part", [DocumentPart(text="words"), ToolResultPart(call_id="c", text="words")])
def test_words_are_bounded_by_their_bytes_and_never_beyond_the_context(part):
    assert 500 < bound(part) < 2000
    assert bound(part, context_tokens=300) == 300
