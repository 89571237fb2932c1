import json
import pickle

import pytest

from harness.dialects.openai_chat import OpenAIChat
from harness.dialects.provider_errors import error_of_response
from harness.dialects.wire import WireResponse
from harness.exceptions import (
    Broken,
    ContextTooLong,
    KeyRefused,
    Overloaded,
    ProviderError,
    QuotaSpent,
    RateLimited,
    Refused,
    RequestRefused,
)
from tests.dialects.wire_targets import origin_of

RECORDED_FAULTS = {
    "anthropic-429": RateLimited,
    "anthropic-429-noretryafter": RateLimited,
    "anthropic-529": Overloaded,
    "anthropic-500": Overloaded,
    "anthropic-504": Overloaded,
    "anthropic-413": RequestRefused,
    "anthropic-403": KeyRefused,
    "anthropic-402": QuotaSpent,
    "anthropic-html-502": Overloaded,
    "openai-429-quota": QuotaSpent,
    "openai-429-rate": RateLimited,
    "openai-500": Overloaded,
    "openai-503": Overloaded,
    "openai-400-context": ContextTooLong,
    "azure-400-content-filter": Refused,
    "vllm-400": ContextTooLong,
    "vllm-404-model": RequestRefused,
    "compat-html-504": Overloaded,
    "google-429-retryinfo": RateLimited,
    "google-500": Overloaded,
    "google-503": Overloaded,
    "google-403": KeyRefused,
    "bedrock-429-ThrottlingException": RateLimited,
    "bedrock-429-ModelNotReadyException": RateLimited,
    "bedrock-500-InternalServerException": Overloaded,
    "bedrock-503-ServiceUnavailableException": Overloaded,
    "bedrock-424-ModelErrorException": Overloaded,
    "bedrock-408-ModelTimeoutException": Overloaded,
    "bedrock-403-AccessDeniedException": KeyRefused,
    "recorded-429-azure_openai-f362": RateLimited,
    "recorded-429-openrouter-de68": RateLimited,
}


def answered(status, body, **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of_response("there", WireResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, body))


def test_every_fault_with_an_error_status_ends_in_its_class(recorded_faults, response_of):
    found = {
        name: type(error_of_response("there", response_of(record)))
        for name, record in recorded_faults.items()
        if record["status"] >= 400
    }
    assert {name: found[name] for name in RECORDED_FAULTS} == RECORDED_FAULTS
    unexpected = {name: kind for name, kind in found.items() if name not in RECORDED_FAULTS}
    assert not {name: kind for name, kind in unexpected.items() if kind is Broken}


def test_chat_faults_inside_streams_never_become_a_short_answer(recorded_faults, response_of):
    names = [name for name in recorded_faults if name.endswith("openai_chat") or name == "openai-chat-stream-error"]
    assert len(names) >= 8
    for name in names:
        decoder = OpenAIChat().stream_decoder(origin_of(), {"content-type": "text/event-stream"})
        with pytest.raises(ProviderError) as caught:
            _ = [*decoder.feed(response_of(recorded_faults[name]).body), *decoder.end()]
        assert type(caught.value) is (Overloaded if name == "openai-chat-stream-error" else Broken), name
        assert caught.value.maybe_billed


def test_recorded_error_statuses_have_the_class_that_says_what_helps(recorded_chats, response_of):
    found = {}
    for record in recorded_chats:
        if record["status"] >= 400:
            kind = type(error_of_response("there", response_of(record)))
            found.setdefault((record["status"], kind.__name__), []).append(record["id"])
    assert {key: len(ids) for key, ids in found.items()} == {
        (400, "ContextTooLong"): 2,
        (400, "RequestRefused"): 3,
        (401, "KeyRefused"): 4,
        (404, "RequestRefused"): 8,
        (429, "RateLimited"): 2,
    }


def test_of_two_waits_the_longer_counts():
    assert answered(429, {}, retry_after="1", retry_after_ms="0").retry_after_seconds == 1
    assert answered(429, {}, retry_after="1", retry_after_ms="2500").retry_after_seconds == 2.5


def test_a_wait_is_read_from_a_date_beside_the_servers_own_clock_and_from_googles_body():
    dated = answered(503, {}, retry_after="Tue, 24 Nov 2026 10:00:30 GMT", date="Tue, 24 Nov 2026 10:00:00 GMT")
    assert dated.retry_after_seconds == 30
    google = {
        "error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "34.4s"}]}
    }
    assert answered(429, google).retry_after_seconds == 34.4
    assert answered(429, [google]).retry_after_seconds == 34.4


@pytest.mark.parametrize("wait", ["soon", "-5", "nan", "inf", "1e9", ""])
def test_a_wait_that_is_no_number_is_none(wait):
    assert answered(429, {}, retry_after=wait).retry_after_seconds is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": "plain text", "code": "some"}, RequestRefused, "plain text"),
        (401, {"detail": "Invalid API Key"}, KeyRefused, "Invalid API Key"),
        (422, {"detail": [{"loc": ["body", "seed"], "msg": "extra"}]}, RequestRefused, "seed"),
        (400, {"object": "error", "message": "maximum context length is 5", "code": 400}, ContextTooLong, "maximum"),
        (400, {"error": {"message": "m", "type": "exceed_context_size_error"}}, ContextTooLong, "m"),
        (403, {"error": {"message": "it requires moderation on X. Your input was flagged"}}, Refused, "flagged"),
        (429, {"error": {"message": "x", "metadata": {"raw": "try later"}}}, RateLimited, "try later"),
        (302, b"", RequestRefused, "no reason"),
        (501, b"", RequestRefused, "no reason"),
        (520, b"<html><title>Web server error</title></html>", Overloaded, "Web server error"),
    ],
)
def test_every_envelope_is_read(status, body, kind, words):
    error = answered(status, body)
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[]", b'"x"', b"3", b"[" * 99_999, b'{"error": [1]}'])
def test_no_body_is_too_strange_for_an_error(body):
    assert type(answered(500, body)) is Overloaded


def test_a_providers_words_are_bounded_one_line_and_without_keys():
    error = answered(400, {"error": {"message": "\x1b[31mkey sk-abcdefghijkl and Bearer s3cret " + "x" * 9000}})
    assert len(error.message) <= 500
    assert error.message.isprintable()
    assert "sk-abc" not in error.message
    assert "s3cret" not in error.message


def test_only_a_gateway_that_gave_up_waiting_may_have_been_billed():
    assert answered(504, b"").maybe_billed
    assert not answered(500, b"").maybe_billed
    assert not answered(429, b"").maybe_billed


def test_an_error_keeps_its_fields_between_processes():
    error = answered(429, {"error": {"message": "m"}}, retry_after="3", x_request_id="req_1")
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.request_id, again.retry_after_seconds) == (429, "req_1", 3)
    assert "req_1" in str(again)
