"""The replay command beside readings of the same bytes that share no code with it."""

import json

import pytest

from harness.dialects.replay import exchange_of, main, replayed
from tests.dialects.independent_readings import failed_inside, reading
from tests.recorded_traffic import faults, recorded, vendors_folder

FIELDS = [
    "id",
    "text",
    "reasoning",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "stop",
    "stop_raw",
    "request_id",
    "error",
]
APIS = (
    "openai.chat",
    "openai.responses",
    "anthropic.messages",
    "bedrock.converse",
    "bedrock.converse_stream",
    "gemini.generate",
    "gemini.stream_generate",
)
STREAMED = ("sse", "eventstream")

# What each recorded or documented failure is. `Reply` is an answer that says by itself why it is none.
FAULTS = {
    "anthropic-429": "RateLimited",
    "anthropic-429-noretryafter": "RateLimited",
    "anthropic-529": "Overloaded",
    "anthropic-500": "Overloaded",
    "anthropic-504": "Overloaded",
    "anthropic-413": "RequestRefused",
    "anthropic-403": "KeyRefused",
    "anthropic-402": "QuotaSpent",
    "anthropic-html-502": "Overloaded",
    "anthropic-refusal": "Reply",
    "anthropic-refusal-stream": "Reply",
    "anthropic-late-input-tokens-stream": "Reply",
    "anthropic-stream-overloaded-first": "Overloaded",
    "anthropic-stream-overloaded-mid": "Overloaded",
    "openai-429-quota": "QuotaSpent",
    "openai-429-rate": "RateLimited",
    "openai-500": "Overloaded",
    "openai-503": "Overloaded",
    "openai-400-context": "ContextTooLong",
    "openai-responses-stream-failed": "QuotaSpent",
    "openai-chat-stream-error": "Overloaded",
    "azure-400-content-filter": "Refused",
    "vllm-400": "ContextTooLong",
    "vllm-404-model": "RequestRefused",
    "compat-html-504": "Overloaded",
    "google-429-retryinfo": "RateLimited",
    "google-500": "Overloaded",
    "google-503": "Overloaded",
    "google-403": "KeyRefused",
    "google-prompt-blocked": "Reply",
    "google-malformed-call": "Reply",
    "bedrock-429-ThrottlingException": "RateLimited",
    "bedrock-429-ModelNotReadyException": "RateLimited",
    "bedrock-500-InternalServerException": "Overloaded",
    "bedrock-503-ServiceUnavailableException": "Overloaded",
    "bedrock-424-ModelErrorException": "Overloaded",
    "bedrock-408-ModelTimeoutException": "Overloaded",
    "bedrock-403-AccessDeniedException": "KeyRefused",
    "bedrock-stream-modelStreamError": "Overloaded",
    "bedrock-stream-throttled": "RateLimited",
    "recorded-429-azure_openai-f362": "RateLimited",
    "recorded-429-openrouter-de68": "RateLimited",
}
# No dialect of ours speaks these wires.
UNSUPPORTED = ("cut-cohere-cohere_chat", "cut-openai-openai_completions", "cut-openai_compatible-openai_completions")
NOT_RETRYABLE = ("QuotaSpent", "KeyRefused", "RequestRefused", "ContextTooLong", "Refused")


def answered(record):
    return 200 <= record["status"] < 300 and not failed_inside(record)


def difference(record):
    """Where the dialect's line and the reading by hand disagree; None where nowhere."""
    line, by_hand = replayed(exchange_of(record)), reading(record)
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    calls = [(call["name"], value_of(call["arguments"])) for call in line["tool_calls"] or []]
    pairs = {
        "text": (line["text"], by_hand["text"]),
        "reasoning": (line["reasoning"], by_hand["reasoning"]),
        "calls": (calls, by_hand["calls"]),
        "stop_raw": (str(line["stop_raw"]).lower(), str(by_hand["stop_raw"]).lower()),
        **{name: (line[name], count) for name, count in zip(counts, by_hand["usage"], strict=True)},
    }
    if isinstance(by_hand["stop_raw"], int):
        del pairs["stop_raw"]  # an old client's numbers: their names are for the dialect's own tests
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} or None


def value_of(arguments):
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


@pytest.mark.parametrize("api", APIS)
def test_every_recorded_answer_reads_as_by_hand(api):
    records = [record for record in recorded(api) if answered(record)]
    assert records
    wrong = {record["id"]: found for record in records if (found := difference(record))}
    assert wrong == {}


@pytest.mark.parametrize("api", APIS)
def test_every_recorded_failure_is_an_error_with_a_class(api):
    for record in recorded(api):
        if not answered(record):
            error = replayed(exchange_of(record))["error"]
            assert error is not None, record["id"]
            assert error["retryable"] is (error["class"] not in NOT_RETRYABLE), record["id"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_torn_streams_give_the_same_line(size):
    streams = [record for record in recorded(*APIS) if record["wire"] in STREAMED]
    assert len(streams) > 500
    for record in streams:
        exchange = exchange_of(record)
        assert replayed(exchange, split_bytes=size) == replayed(exchange), record["id"]


def test_every_recorded_embedding_has_vectors_and_a_count_or_an_error():
    records = recorded("embeddings", "gemini.embeddings")
    assert records
    for record in records:
        line = replayed(exchange_of(record))
        assert "unsupported" not in line
        if record["status"] == 200:
            assert line["error"] is None, record["id"]
            assert line["vectors"] >= 1, record["id"]
            assert line["dimensions"] > 1, record["id"]
        else:
            assert line["error"] is not None, record["id"]


def test_every_fault_ends_in_its_class():
    found = faults()
    cut = {name: "Broken" for name in found if name.startswith("cut-")}
    expected = {**FAULTS, **cut} | dict.fromkeys(UNSUPPORTED, "unsupported")
    assert {name: ending(record) for name, record in found.items()} == expected


def ending(record):
    line = replayed(exchange_of(record))
    if "unsupported" in line:
        return "unsupported"
    return line["error"]["class"] if line["error"] else "Reply"


def test_a_refusal_a_blocked_prompt_and_a_malformed_call_are_no_plain_stops():
    stops = {
        name: replayed(exchange_of(record))["stop"] for name, record in faults().items() if FAULTS.get(name) == "Reply"
    }
    assert stops == {
        "anthropic-refusal": "refusal",
        "anthropic-refusal-stream": "refusal",
        "anthropic-late-input-tokens-stream": "stop",
        "google-prompt-blocked": "filter",
        "google-malformed-call": "broken",
    }


@pytest.mark.slow
def test_the_command_writes_a_line_for_every_record(tmp_path, capsys):
    recorded("openai.chat")  # or skipped
    out = tmp_path / "lines.jsonl"
    assert main([str(vendors_folder()), "--json", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").split("\n") if line]
    expected = [
        json.loads(line)["id"]
        for path in sorted(vendors_folder().glob("*.jsonl"))
        for line in path.read_text("utf-8").split("\n")
        if line
    ]
    assert [line["id"] for line in lines] == expected
    assert all(list(line)[: len(FIELDS)] == FIELDS for line in lines)


def own_corpus(folder, *records):
    folder.mkdir(exist_ok=True)
    (folder / "own.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return folder


def chat_record(**changes):
    answer = {
        "id": "1",
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paid."}}],
    }
    plain = {
        "id": "one",
        "api": "openai.chat",
        "model": "m",
        "status": 200,
        "wire": "json",
        "stream": False,
        "response_headers": {"X-Request-Id": "req-1"},
        "body": json.dumps(answer),
    }
    return plain | changes


def lines_of(tmp_path, *records, arguments=()):
    out = tmp_path / "out.jsonl"
    assert main([str(own_corpus(tmp_path / "corpus", *records)), "--json", str(out), *arguments]) == 0
    return [json.loads(line) for line in out.read_text("utf-8").split("\n") if line]


def test_what_the_body_does_not_count_is_null_and_not_zero(tmp_path):
    (line,) = lines_of(tmp_path, chat_record())
    assert (line["text"], line["stop"], line["request_id"]) == ("Paid.", "stop", "req-1")
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    assert [line[name] for name in counts] == [None] * 5


def test_an_error_is_told_with_its_class_and_whether_a_retry_can_help(tmp_path):
    refused = json.dumps({"error": {"message": "no money", "code": "insufficient_quota"}})
    (line,) = lines_of(tmp_path, chat_record(status=429, body=refused))
    assert line["error"] == {"class": "QuotaSpent", "retryable": False}
    assert line["text"] is None


def test_a_wire_that_no_dialect_speaks_is_said_to_be_so(tmp_path, capsys):
    (line,) = lines_of(tmp_path, chat_record(api="cohere.chat"))
    assert line["unsupported"] == "cohere.chat"
    assert "cohere.chat\tunsupported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{no json", "own.jsonl:1: "),
        ('{"id": "x", "status": "200"}', "it must be an HTTP status"),
        ('{"id": "x", "status": 200, "body_b64": "?"}', "no base64"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_refused_by_file_and_line(tmp_path, capsys, line, words):
    (tmp_path / "own.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path), "--json", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_a_folder_without_records_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--json", "-"])
    assert "no folder with *.jsonl files" in capsys.readouterr().err
