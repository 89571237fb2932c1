import json
import pickle
from collections import Counter

import pytest

from harness.dialects.openai_chat.dialect import OpenAIChat
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
from tests import recorded_traffic
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

WAITS = {
    "anthropic-429": 1,
    "anthropic-429-noretryafter": None,
    "openai-429-quota": None,
    "openai-429-rate": 2,
    "google-429-retryinfo": 34.4,
    "recorded-429-azure_openai-f362": 1,
    "recorded-429-openrouter-de68": None,
}
# Vendor, status, envelope and class: how many of each are recorded.
RECORDED_ERRORS = {
    ("anthropic", 400, "error.type", "RequestRefused"): 1,
    ("anthropic", 401, "error.type", "KeyRefused"): 5,
    ("anthropic", 404, "error.type", "RequestRefused"): 9,
    ("azure_openai", 401, "error.code", "KeyRefused"): 2,
    ("azure_openai", 404, "error.code", "RequestRefused"): 1,
    ("azure_openai", 429, "error.details", "RateLimited"): 1,
    ("bedrock", 400, "message", "RequestRefused"): 9,
    ("bedrock", 403, "message", "KeyRefused"): 3,
    ("cohere", 404, "message", "RequestRefused"): 3,
    ("deepseek", 400, "error.param", "RequestRefused"): 1,
    ("deepseek", 401, "error.param", "KeyRefused"): 1,
    ("gemini", 400, "error.details", "KeyRefused"): 2,
    ("gemini", 404, "error.status", "RequestRefused"): 3,
    ("groq", 404, "error.code", "RequestRefused"): 2,
    ("mistral", 401, "detail", "KeyRefused"): 1,
    ("openai", 400, "error.param", "RequestRefused"): 10,
    ("openai", 401, "error.param", "KeyRefused"): 6,
    ("openai", 404, "error.param", "RequestRefused"): 6,
    ("openai_compatible", 400, "error.code", "ContextTooLong"): 1,
    ("openrouter", 400, "error.metadata", "ContextTooLong"): 1,
    ("openrouter", 429, "error.metadata", "RateLimited"): 1,
    ("vertex", 400, "error.status", "RequestRefused"): 1,
    ("xai", 400, "error", "KeyRefused"): 1,
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


def shape_of(body):
    """Which envelope a recorded body is, by its fields alone."""
    value = json.loads(body)
    value = value[0] if isinstance(value, list) else value
    inner = value.get("error")
    if isinstance(inner, dict):
        known = ("metadata", "details", "status", "param", "code", "type")
        return "error." + next((field for field in known if field in inner), "message")
    return next(field for field in ("error", "detail", "message") if field in value)


@pytest.fixture(scope="module")
def recorded_errors():
    kinds = ("chat", "responses", "completions", "messages", "converse", "converse_stream", "invoke", "count_tokens")
    kinds += ("generate", "stream_generate", "embeddings")
    makers = ("openai", "anthropic", "bedrock", "gemini", "cohere")
    apis = ["embeddings", *(f"{maker}.{kind}" for maker in makers for kind in kinds)]
    return [record for record in recorded_traffic.recorded(*apis) if record["status"] >= 400]


def test_every_recorded_error_of_every_vendor_has_the_class_that_says_what_helps(recorded_errors, response_of):
    found = Counter()
    for record in recorded_errors:
        error = error_of_response("there", response_of(record))
        found[record["vendor"], record["status"], shape_of(record["body"]), type(error).__name__] += 1
        assert error.retryable == (record["status"] == 429), record["id"]
        headers = record["response_headers"]
        named = [headers.get(name) for name in ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")]
        assert error.request_id == next(filter(None, named), error.request_id), record["id"]
        assert error.message != "no reason was given", record["id"]
    assert {key: found[key] for key in RECORDED_ERRORS} == RECORDED_ERRORS
    assert not found.keys() - RECORDED_ERRORS.keys()


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
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, KeyRefused, "key"),
        (400, {"error": {"message": "m", "details": [{"reason": "API_KEY_INVALID"}]}}, KeyRefused, "m"),
        (402, {"error": {"message": "m"}}, QuotaSpent, "m"),
        (403, {"error": {"code": 403, "message": "Key limit exceeded (weekly limit)"}}, QuotaSpent, "limit"),
        (429, {"error": {"message": "m", "type": "insufficient_quota", "code": "insufficient_quota"}}, QuotaSpent, "m"),
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


def test_what_helps_by_waiting_says_so_and_nothing_else_does(recorded_faults, response_of):
    helps = {RateLimited: True, Overloaded: True, QuotaSpent: False, KeyRefused: False, ContextTooLong: False}
    helps |= {Refused: False, RequestRefused: False}
    for name, kind in RECORDED_FAULTS.items():
        error = error_of_response("there", response_of(recorded_faults[name]))
        assert error.retryable is helps[kind], name
    waits = {name: error_of_response("there", response_of(recorded_faults[name])).retry_after_seconds for name in WAITS}
    assert waits == WAITS


def test_only_a_gateway_that_gave_up_waiting_may_have_been_billed():
    assert answered(504, b"").maybe_billed
    assert not answered(500, b"").maybe_billed
    assert not answered(429, b"").maybe_billed


def test_an_error_keeps_its_fields_between_processes():
    error = answered(429, {"error": {"message": "m"}}, retry_after="3", x_request_id="req_1")
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.request_id, again.retry_after_seconds) == (429, "req_1", 3)
    assert "req_1" in str(again)


def error_of(status, error, headers=None):
    body = json.dumps({"error": error}).encode()
    return error_of_response("there", WireResponse(status, headers or {}, body))


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "slow down", "code": "rate_limit_exceeded"}, RateLimited),
        (403, {"message": "Quota exceeded", "status": "PERMISSION_DENIED", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}]},
         RateLimited),
        (403, {"message": "no", "status": "PERMISSION_DENIED"}, KeyRefused),
        (400, {"message": "Invalid value: 'insufficient funds letter' in messages[0]"}, RequestRefused),
        (400, {"message": "Your credit balance is too low", "type": "invalid_request_error"}, QuotaSpent),
        (429, {"message": "Insufficient credits for this minute", "code": "rate_limit_exceeded"}, RateLimited),
        (409, {"message": "conflict"}, Overloaded),
    ],
)  # fmt: skip
def test_codes_are_believed_before_phrases_and_statuses(status, error, kind):
    assert type(error_of(status, error)) is kind


def test_what_the_server_says_of_a_retry_is_heeded_also_across_processes():
    assert not error_of(500, {"message": "x"}, {"x-should-retry": "false"}).retryable
    assert error_of(500, {"message": "x"}, {"x-should-retry": "true"}).retryable
    assert error_of(400, {"message": "x"}, {"x-should-retry": "true"}).retryable
    assert not error_of(401, {"message": "x"}, {"x-should-retry": "true"}).retryable
    assert not pickle.loads(pickle.dumps(error_of(529, {"message": "x"}, {"x-should-retry": "false"}))).retryable
