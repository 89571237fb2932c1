"""Recorded bodies read by hand, without any code of the project: what each wire says, by its own documentation.

A reading is text, reasoning, calls (name and arguments as a value), usage (input, output, cache read, cache write,
reasoning) and the raw stop reason. Written beside the vendors' documents and kept apart from the dialects, so that the
same mistake is not made twice.
"""

import base64
import json
import struct


def body_bytes(record):
    return base64.b64decode(record["body_b64"]) if record.get("body_b64") else (record.get("body") or "").encode()


def sse(record):
    """The JSON values of a stream's data lines, torn nowhere."""
    found = []
    for block in body_bytes(record).decode().replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        text = "\n".join(data).strip()
        if text and text != "[DONE]":
            found.append(json.loads(text))
    return found


def frames(record):
    """The frames of an AWS event stream: headers (texts only) and payload."""
    body, found = body_bytes(record), []
    while body:
        total, header_length = struct.unpack(">II", body[:8])
        headers, place = {}, 12
        while place < 12 + header_length:
            size = body[place]
            name = body[place + 1 : place + 1 + size].decode()
            place += 1 + size
            assert body[place] == 7, "a header that is no text"
            (length,) = struct.unpack(">H", body[place + 1 : place + 3])
            headers[name] = body[place + 3 : place + 3 + length].decode()
            place += 3 + length
        found.append((headers, body[12 + header_length : total - 4]))
        body = body[total:]
    return found


def reading(record):
    """The record's reading; None where its kind of endpoint has none here."""
    kind = record["api"]
    read = {
        "openai.chat": _chat,
        "openai.responses": _responses,
        "anthropic.messages": _anthropic,
        "bedrock.converse": _converse,
        "bedrock.converse_stream": _converse_stream,
        "gemini.generate": _gemini,
        "gemini.stream_generate": _gemini,
    }.get(kind)
    return None if read is None else read(record)


def failed_inside(record):
    """Whether a 2xx body carries an error instead of an answer, or beside a part of one."""
    text = body_bytes(record).decode("utf-8", "replace")
    if record["wire"] == "sse":
        values = sse(record)
        return any(
            v.get("error") or v.get("type") == "error" or v.get("type") == "response.failed"
            for v in values
            if isinstance(v, dict)
        )
    if record["wire"] == "json":
        value = json.loads(text)
        return isinstance(value, dict) and (bool(value.get("error")) or value.get("status") == "failed")
    return any(headers.get(":message-type") == "exception" for headers, _ in frames(record))


def _made(text, reasoning, calls, usage, stop):
    return {"text": text, "reasoning": reasoning, "calls": calls, "usage": usage, "stop_raw": stop}


def _value(arguments):
    """Arguments as a value, so that two spellings of the same JSON are the same."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


# --- OpenAI chat completions -------------------------------------------------------------------------------------------


def _chat(record):
    values = [json.loads(body_bytes(record))] if record["wire"] == "json" else sse(record)
    text, thoughts, calls, stop, usage = [], [], [], None, None
    for value in values:
        usage = value.get("usage") or (value.get("x_groq") or {}).get("usage") or usage
        for choice in value.get("choices") or []:
            if choice.get("index", 0) != 0:
                continue
            stop = choice.get("finish_reason") if choice.get("finish_reason") is not None else stop
            message = choice.get("message") or choice.get("delta") or {}
            words, thought = _chat_content(message.get("content"))
            text.append(words)
            thoughts.append(message.get("reasoning_content") or message.get("reasoning") or thought)
            legacy = message.get("function_call") or {}
            old = [{"function": legacy, "index": 0}] if legacy.get("name") else []  # some servers send an empty one
            for call in [*(message.get("tool_calls") or []), *old]:
                _chat_call(calls, call)
    done = [(call["name"], _value(call["arguments"])) for call in calls]
    return _made("".join(text), "".join(thoughts), done, _chat_usage(usage), stop)


def _chat_content(content):
    if isinstance(content, str):
        return content, ""
    words = [part.get("text") or "" for part in content or [] if part.get("type") == "text"]
    thought = [piece["text"] for part in content or [] for piece in part.get("thinking") or [] if "text" in piece]
    return "".join(words), "".join(thought)


def _chat_call(calls, fragment):
    function = next(
        (f for f in (fragment.get("custom"), fragment.get("function")) if f and f.get("name")),
        fragment.get("function") or fragment.get("custom") or {},
    )
    given = function.get("arguments") if function.get("arguments") is not None else function.get("input")
    index, call_id = fragment.get("index"), fragment.get("id")
    same = [c for c in calls if c["index"] == index] if index is not None else calls[-1:] if not call_id else []
    if same and (not call_id or call_id == same[-1]["id"]):
        call = same[-1]
    else:
        call = {"index": index, "id": call_id, "name": "", "arguments": ""}
        calls.append(call)
    call["name"] = call["name"] or function.get("name") or ""
    call["arguments"] += given if isinstance(given, str) else "" if given is None else json.dumps(given)


def _chat_usage(usage):
    if not usage:
        return (None,) * 5
    prompt, output = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    cached = [prompt.get("cached_tokens")]
    cached += [usage.get(name) for name in ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens")]
    # What was generated and counted in the total alone (xAI, Gemini's compatible endpoint) was generated all the same.
    generated = max(usage["completion_tokens"], usage["total_tokens"] - usage["prompt_tokens"])
    return (
        usage["prompt_tokens"],
        generated,
        next((count for count in cached if count is not None), None),
        prompt.get("cache_write_tokens"),
        output.get("reasoning_tokens"),
    )


# --- OpenAI responses --------------------------------------------------------------------------------------------------


def _responses(record):
    response = json.loads(body_bytes(record)) if record["wire"] == "json" else _final_response(sse(record))
    text, thoughts, calls = [], [], []
    for item in response.get("output") or []:
        if item["type"] == "message":
            text += [part["text"] for part in item["content"] if part["type"] == "output_text"]
        elif item["type"] == "reasoning":
            shown = [piece["text"] for piece in item.get("summary") or []]
            thoughts += shown or [piece["text"] for piece in item.get("content") or []]
        elif item["type"] == "function_call":
            calls.append((item["name"], _value(item["arguments"])))
        elif item["type"] == "custom_tool_call":
            calls.append((item["name"], item["input"]))
    usage = response.get("usage")
    counted = (None,) * 5
    if usage:
        read, made = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
        counted = (
            usage["input_tokens"],
            usage["output_tokens"],
            read.get("cached_tokens"),
            read.get("cache_write_tokens"),
            made.get("reasoning_tokens"),
        )
    stop = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
    return _made("".join(text), "".join(thoughts), calls, counted, stop)


def _final_response(events):
    done = {e["output_index"]: e["item"] for e in events if e.get("type") == "response.output_item.done"}
    final = next(
        e["response"] for e in reversed(events) if e.get("type") in ("response.completed", "response.incomplete")
    )
    if not final.get("output"):
        final = {**final, "output": [done[place] for place in sorted(done)]}
    return final


# --- Anthropic ---------------------------------------------------------------------------------------------------------


def _anthropic(record):
    message = json.loads(body_bytes(record)) if record["wire"] == "json" else _anthropic_joined(sse(record))
    blocks = message["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    thoughts = "".join(block.get("thinking") or "" for block in blocks if block["type"] == "thinking")
    calls = [(block["name"], _value(block["input"])) for block in blocks if block["type"] == "tool_use"]
    usage = message["usage"]
    read, write = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    details = usage.get("output_tokens_details") or {}
    counted = (
        usage["input_tokens"] + (read or 0) + (write or 0),
        usage["output_tokens"],
        read,
        write,
        details.get("thinking_tokens"),
    )
    return _made(text, thoughts, calls, counted, message["stop_reason"])


def _anthropic_joined(events):
    message, blocks = None, {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = {**event["message"], "usage": dict(event["message"]["usage"])}
        elif kind == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            _anthropic_delta(blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] |= {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
    return {**message, "content": [blocks[place] for place in sorted(blocks)]}


def _anthropic_delta(block, delta):
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "input_json_delta" and block["type"] == "tool_use":
        before = block["input"] if isinstance(block["input"], str) else ""
        block["input"] = before + delta["partial_json"]


# --- Bedrock Converse --------------------------------------------------------------------------------------------------


def _converse(record):
    answer = json.loads(body_bytes(record))
    return _converse_reading(answer["output"]["message"]["content"], answer.get("usage"), answer.get("stopReason"))


def _converse_stream(record):
    blocks, usage, stop = {}, None, None
    for headers, payload in frames(record):
        value, kind = json.loads(payload), headers[":event-type"]
        if kind == "contentBlockStart":
            start = value["start"]
            blocks[value["contentBlockIndex"]] = (
                {"toolUse": {**start["toolUse"], "input": ""}} if "toolUse" in start else {}
            )
        elif kind == "contentBlockDelta":
            _converse_delta(blocks.setdefault(value["contentBlockIndex"], {}), value["delta"])
        elif kind == "messageStop":
            stop = value["stopReason"]
        elif kind == "metadata":
            usage = value["usage"]
    return _converse_reading([blocks[place] for place in sorted(blocks)], usage, stop)


def _converse_delta(block, delta):
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "text" in delta.get("reasoningContent", {}):
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        thought["text"] += delta["reasoningContent"]["text"]


def _is_asked(block):
    """Whether a block asks for a tool of the caller's; what the service ran by itself says so."""
    return "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"


def _converse_reading(blocks, usage, stop):
    text = "".join(block.get("text", "") for block in blocks)
    cited = [piece["text"] for b in blocks for piece in (b.get("citationsContent") or {}).get("content") or []]
    thoughts = [
        b["reasoningContent"].get("reasoningText", {}).get("text", "") for b in blocks if "reasoningContent" in b
    ]
    calls = [(b["toolUse"]["name"], _value(b["toolUse"]["input"])) for b in blocks if _is_asked(b)]
    counted = (None,) * 5
    if usage:
        read, write = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
        total = usage["inputTokens"] + (read or 0) + (write or 0)
        counted = (total, usage["outputTokens"], read, write, None)
    return _made(text + "".join(cited), "".join(thoughts), calls, counted, stop)


# --- Gemini ------------------------------------------------------------------------------------------------------------


def _gemini(record):
    if record["wire"] == "sse":
        values = sse(record)
    else:
        whole = json.loads(body_bytes(record))
        values = whole if isinstance(whole, list) else [whole]
    text, thoughts, calls, stop, usage = [], [], [], None, {}
    for value in values:
        usage |= {key: count for key, count in (value.get("usageMetadata") or {}).items() if count is not None}
        stop = (value.get("promptFeedback") or {}).get("blockReason") or stop
        for candidate in (value.get("candidates") or [])[:1]:
            stop = candidate.get("finishReason") or stop
            for part in (candidate.get("content") or {}).get("parts") or []:
                if "functionCall" in part:
                    calls.append((part["functionCall"]["name"], part["functionCall"].get("args") or {}))
                elif "text" in part:
                    (thoughts if part.get("thought") else text).append(part["text"])
    return _made("".join(text), "".join(thoughts), calls, _gemini_usage(usage), stop)


def _gemini_usage(usage):
    if not usage.get("promptTokenCount"):
        return (None,) * 5
    tools, thoughts = usage.get("toolUsePromptTokenCount"), usage.get("thoughtsTokenCount")
    entered = usage["promptTokenCount"] + (tools or 0)
    made = usage.get("candidatesTokenCount")
    made = None if made is None and thoughts is None else (made or 0) + (thoughts or 0)
    return (entered, made, usage.get("cachedContentTokenCount"), None, thoughts)
