"""What an endpoint's error means, decided once for every envelope there is.

Statuses alone cannot say it: a 429 may never mend, a 400 may be a prompt that another model could take, and errors
arrive inside answers that began with 200. The words that decide are data, below.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from harness.dialects.request_ids import request_id_of
from harness.dialects.wire import WireResponse
from harness.dialects.wire_json import first_text, object_at, objects_at, parse_json, text_at
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
from harness.json_values import Json, JsonObject

_MAX_MESSAGE = 500

# Codes and types as providers spell them, in lower case; a class is tried in this order.
_WORDS: tuple[tuple[type[ProviderError], frozenset[str]], ...] = (
    (
        QuotaSpent,
        frozenset({
            "insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active",
            "insufficient_balance", "insufficient_credits", "credit_balance_too_low",
            "servicequotaexceededexception",
        }),
    ),
    (
        ContextTooLong,
        frozenset({
            "context_length_exceeded", "too_many_prompt_tokens", "model_context_window_exceeded",
            "exceed_context_size_error", "context_window_exceeded",
        }),
    ),
    (
        Refused,
        frozenset({
            "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "data_inspection_failed",
            "moderation_blocked", "content_filter_error", "invalid_prompt", "bio_policy",
            "misalignment_policy_violation", "image_content_policy_violation",
        }),
    ),
    # Before refused keys: Google says PERMISSION_DENIED of a rate, and the reason beside it.
    (
        RateLimited,
        frozenset({
            "rate_limit_exceeded", "rate_limit_error", "ratelimitreached", "resource_exhausted", "too_many_requests",
            "throttlingexception", "modelnotreadyexception",
        }),
    ),
    (
        KeyRefused,
        frozenset({
            "invalid_api_key", "authentication_error", "permission_error", "permission_denied", "unauthenticated",
            "accessdeniedexception", "unrecognizedclientexception", "expiredtokenexception", "api_key_invalid",
            "api_key_expired",
        }),
    ),
    (
        Overloaded,
        frozenset({
            "overloaded_error", "server_error", "api_error", "internal_server_error", "internal_error", "internal",
            "unavailable", "service_unavailable", "timeout_error", "modelstreamerrorexception",
            "internalserverexception", "serviceunavailableexception", "modelerrorexception", "modeltimeoutexception",
            "vector_store_timeout",
        }),
    ),
    (
        RequestRefused,
        frozenset({
            "invalid_request_error", "not_found_error", "badrequesterror", "tool_use_failed", "validationexception",
            "data_residency_mismatch",
            "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "invalid_image_mode",
            "image_too_large", "image_too_small", "image_parse_error", "image_file_too_large", "image_file_not_found",
            "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
        }),
    ),
)  # fmt: skip

_QUOTA_PHRASES = re.compile(
    r"credit balance is too low|insufficient (balance|credits|funds)|out of credits|key limit exceeded", re.IGNORECASE
)
# xAI answers a wrong key with a 400 that has no other word for it.
_KEY_PHRASES = re.compile(r"(incorrect|invalid) api key|api key (is )?(not valid|invalid|expired)", re.IGNORECASE)
_CONTEXT_PHRASES = re.compile(
    r"maximum context length|prompt is too long|context (window|length) (is )?(exceeded|limit)|context_length_exceeded"
    r"|exceeds? (the )?(available |model'?s? |maximum )?context|total length of all messages is too long"
    r"|input is too long|too many input tokens|input token count .{0,40}exceeds|prompt contains \d+ tokens"
    r"|longer than the maximum model length|reduce the length of (the messages|either)|too large for model with",
    re.IGNORECASE,
)
_FILTER_PHRASES = re.compile(
    r"content management policy|flagged by (our |the )?(moderation|safety)|requires moderation .{0,60}flagged"
    r"|rejected .{0,40}safety system",
    re.IGNORECASE,
)
_SECRETS = re.compile(r"(?i)\b(bearer\s+)\S+|\b(sk|gsk|xai|pk)-[A-Za-z0-9_\-]{8,}|\bAIza[A-Za-z0-9_\-]{20,}")
_PROMPT_STATUSES = frozenset({200, 400, 413, 422})
# The work may have been done, and charged, when somebody in between stopped waiting for it.
_GAVE_UP_WAITING = frozenset({408, 504, 524})
_NOT_DONE_HERE = frozenset({501, 505})
# Statuses under which a limit of a rate has come too.
_RATES_TOO = frozenset({400, 403})
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|`[^`]*`")


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an envelope says: the message, its codes and types in lower case, a status it repeats, seconds to wait, id."""

    message: str
    words: tuple[str, ...] = ()
    status: int | None = None
    retry_after_seconds: float | None = None
    request_id: str | None = None


def error_of_response(endpoint_name: str, response: WireResponse) -> ProviderError:
    """What a non-2xx answer means; never raises."""
    facts = _facts_of_body(response.body, response.headers)
    return _error(endpoint_name, facts, response.status, response.headers)


def error_in_answer(endpoint_name: str, envelope: JsonObject, headers: Mapping[str, str]) -> ProviderError:
    """What an error means that came inside a 2xx answer or stream: something may have been generated and charged."""
    error = _error(endpoint_name, _facts(envelope, headers), 200, headers)
    error.maybe_billed = True
    return error


def _error(endpoint_name: str, facts: ErrorFacts, status: int, headers: Mapping[str, str]) -> ProviderError:
    kind = _kind(facts, status)
    waits = [seconds for seconds in (facts.retry_after_seconds, _retry_after(headers)) if seconds is not None]
    error = kind(
        endpoint_name,
        facts.message or "no reason was given",
        status=status,
        request_id=request_id_of(headers) or facts.request_id,
        retry_after_seconds=max(waits, default=None),
    )
    if status in _GAVE_UP_WAITING:
        error.maybe_billed = True
    _heed_advice(error, headers)
    return error


def _heed_advice(error: ProviderError, headers: Mapping[str, str]) -> None:
    """What the server itself says of a retry: a no is believed, a yes where its status alone said no."""
    advice = headers.get("x-should-retry", "").strip().lower()
    if advice == "false":
        error.retryable = False
    elif advice == "true" and type(error) is RequestRefused:
        error.retryable = True


def _kind(facts: ErrorFacts, status: int) -> type[ProviderError]:
    """The class by codes, then by phrases, then by status."""
    by_word = next((kind for kind, words in _WORDS if words.intersection(facts.words)), None)
    if by_word in (QuotaSpent, ContextTooLong, Refused):
        return by_word
    if by_word is RateLimited and status in _RATES_TOO:
        return RateLimited
    by_phrase = _kind_by_phrase(facts.message, status, by_word)
    if by_phrase is not None:
        return by_phrase
    if status == 400 and by_word is KeyRefused:  # noqa: PLR2004 - Google answers a wrong key so
        return KeyRefused
    if status == 200:  # noqa: PLR2004 - an error inside an answer: the envelope alone can say
        by_status = None if facts.status in (None, 200) else _kind_by_status(facts.status)
        return by_word or by_status or Broken
    return _kind_by_status(status)


def _kind_by_phrase(message: str, status: int, by_word: type[ProviderError] | None) -> type[ProviderError] | None:
    if status in _PROMPT_STATUSES and _CONTEXT_PHRASES.search(message):
        return ContextTooLong
    if _FILTER_PHRASES.search(message):
        return Refused
    # A code that says something else is believed, and what is quoted is somebody's text. Anthropic calls a balance that
    # is too low an invalid request.
    if by_word not in (RateLimited, Overloaded) and _QUOTA_PHRASES.search(_QUOTED.sub("", message)):
        return QuotaSpent
    return KeyRefused if status == 400 and _KEY_PHRASES.search(message) else None  # noqa: PLR2004 - Bad Request


def _kind_by_status(status: int) -> type[ProviderError]:
    if status in (401, 403):
        return KeyRefused
    if status == 402:  # noqa: PLR2004 - Payment Required
        return QuotaSpent
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        return RateLimited
    # 409 is a lock of the far side's that was held, as both vendors' own clients repeat it; 424 is Bedrock's failed
    # model, 425 and 499 come from proxies: all the far side's, as every 5xx.
    if status in (408, 409, 424, 425, 499) or (status >= 500 and status not in _NOT_DONE_HERE):  # noqa: PLR2004
        return Overloaded
    return RequestRefused


def _facts_of_body(body: bytes, headers: Mapping[str, str]) -> ErrorFacts:
    try:
        value = parse_json(body)
    except ValueError:
        return ErrorFacts(_shown(_words_of_page(body)), _header_words(headers))
    # Google's streams answer with an array of envelopes.
    first = value[0] if isinstance(value, list) and value else value
    return _facts(first, headers)


def _facts(envelope: Json, headers: Mapping[str, str]) -> ErrorFacts:
    if not isinstance(envelope, dict):
        return ErrorFacts(_shown(envelope if isinstance(envelope, str) else ""), _header_words(headers))
    inner = object_at(envelope, "error") or object_at(envelope, "response", "error") or envelope
    message = first_text(inner, ("message", "error", "detail", "error_description", "title"))
    message = message or first_text(envelope, ("error", "message", "detail")) or _validation_words(envelope)
    provider_said = text_at(object_at(inner, "metadata"), "raw")
    codes = [inner.get("code"), inner.get("type"), inner.get("status"), object_at(inner, "innererror").get("code")]
    codes += [envelope.get("code"), envelope.get("type"), *_google_reasons(inner)]
    numbers = [_status_number(code) for code in (*codes, inner.get("status_code"))]
    return ErrorFacts(
        message=_shown(f"{message}: {provider_said}" if provider_said else message),
        words=(*(code.lower() for code in codes if isinstance(code, str)), *_header_words(headers)),
        status=next((number for number in numbers if number is not None), None),
        retry_after_seconds=_google_retry_delay(inner),
        request_id=text_at(envelope, "request_id") or None,
    )


def _header_words(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Bedrock names the exception in a header, with an address after a colon."""
    named = headers.get("x-amzn-errortype", "").partition(":")[0].strip().lower()
    return (named,) if named else ()


def _validation_words(envelope: JsonObject) -> str:
    """FastAPI's list of what is wrong with a request."""
    return "; ".join(f"{each.get('loc')}: {text_at(each, 'msg')}" for each in objects_at(envelope, "detail"))


def _status_number(code: Json) -> int | None:
    if isinstance(code, str) and re.fullmatch(r"[1-5]\d\d", code):
        return int(code)
    return code if type(code) is int and 100 <= code <= 599 else None  # noqa: PLR2004 - HTTP's range


def _google_reasons(error: JsonObject) -> list[Json]:
    """Google's `ErrorInfo` says more than its status: a wrong key is an INVALID_ARGUMENT."""
    return [detail.get("reason") for detail in objects_at(error, "details")]


def _google_retry_delay(error: JsonObject) -> float | None:
    delays = [text_at(detail, "retryDelay") for detail in objects_at(error, "details")]
    return next((_seconds(delay.removesuffix("s")) for delay in delays if delay), None)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, of both headers the longer: Azure has sent `retry-after: 1` beside `retry-after-ms: 0`."""
    waits = [_seconds(headers.get("retry-after", "")), _seconds(headers.get("retry-after-ms", ""), per_second=1000)]
    if waits[0] is None:
        waits[0] = _seconds_until(headers.get("retry-after", ""), headers.get("date", ""))
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(text: str, *, per_second: int = 1) -> float | None:
    return float(text) / per_second if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", text) else None


def _seconds_until(moment: str, server_now: str) -> float | None:
    """From the server's own `Date` to the date it names, so that no clock of ours is asked."""
    try:
        return max((parsedate_to_datetime(moment) - parsedate_to_datetime(server_now)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _words_of_page(body: bytes) -> str:
    """What a proxy's HTML page says, or the beginning of whatever it is."""
    text = body[:20_000].decode("utf-8", "replace")
    titled = re.search(r"<title>([^<]{1,200})</title>|<h1>([^<]{1,200})</h1>", text, re.IGNORECASE)
    return next(filter(None, titled.groups()), "") if titled else re.sub(r"<[^>]{0,200}>", " ", text)


def _shown(message: str) -> str:
    """A provider's words as they may be shown: one line, bounded, nothing for a terminal to obey, no keys."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message[: 4 * _MAX_MESSAGE]).split())
    line = _SECRETS.sub("[redacted]", line)
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 3] + "..."
