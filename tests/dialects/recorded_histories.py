"""Recorded requests with tools as neutral conversations, read here without any dialect of ours.

What a vendor alone can read is stamped with who made it, as a dialect stamps it when it decodes.
"""

import json

from harness.models.messages import (
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    Origin,
    OtherPart,
    ReasoningPart,
    ServerToolPart,
    TextPart,
    Thinking,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

DIALECTS = {
    "openai.chat": "openai_chat",
    "openai.responses": "openai_responses",
    "anthropic.messages": "anthropic_messages",
    "gemini.generate": "gemini",
    "gemini.stream_generate": "gemini",
    "bedrock.converse": "bedrock_converse",
    "bedrock.converse_stream": "bedrock_converse",
}


def history_of(record):
    """The conversation of a recorded request; None where it holds no call and result, or no conversation at all."""
    body, dialect = record["request"] or {}, DIALECTS[record["api"]]
    turns = next((body[name] for name in ("messages", "input", "contents") if body.get(name)), None)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return None
    origin = Origin(dialect=dialect, endpoint=record["vendor"], model=record["model"] or "unnamed")
    read = {
        "openai_chat": _chat,
        "openai_responses": _responses,
        "anthropic_messages": _anthropic,
        "gemini": _gemini,
        "bedrock_converse": _bedrock,
    }[dialect]
    request = read(body, origin)
    kinds = {part.type for message in request.messages for part in message.parts}
    return (request, origin) if {"tool_call", "tool_result"} <= kinds else None


def request_of(turns, *, tools=(), choice=None, thinking=None, limit=None):
    messages = tuple(Message(role=role, parts=tuple(parts)) for role, parts in turns)
    return ModelRequest(
        messages=messages, max_output_tokens=limit or 4096, tools=tuple(tools), tool_choice=choice, thinking=thinking
    )


def _tool(name, description, parameters):
    return Tool(name=name, description=description or "", parameters=parameters or {"type": "object", "properties": {}})


def _media(url, media_type=None):
    """A picture's or document's fields of an address, which may be a data URL."""
    if url.startswith("data:"):
        head, _, data = url[5:].partition(",")
        return {"media_type": head.partition(";")[0], "data": data}
    return {"url": url, "media_type": media_type}


# OpenAI chat completions


def _chat(body, origin):
    turns = []
    for message in body["messages"]:
        role = {"developer": "system", "function": "tool"}.get(message["role"], message["role"])
        if role == "tool":
            text = _chat_text(message["content"])
            turns.append(("tool", [ToolResultPart(call_id=message.get("tool_call_id") or "", text=text)]))
            continue
        turns.append(
            (
                role,
                [
                    *_chat_thoughts(message, origin),
                    *_chat_parts(message.get("content"), role, origin),
                    *_chat_calls(message),
                ],
            )
        )
    functions = [tool["function"] for tool in body.get("tools") or [] if "function" in tool]
    tools = [_tool(each["name"], each.get("description"), each.get("parameters")) for each in functions]
    choice = _chat_choice(body.get("tool_choice"), tools, body.get("parallel_tool_calls"))
    return request_of(turns, tools=tools, choice=choice, limit=body.get("max_tokens"))


def _chat_choice(choice, tools, parallel=None):
    if not tools or choice is None:
        return None
    if isinstance(choice, str):
        return ToolChoice(mode={"any": "required"}.get(choice, choice), parallel=parallel)
    name = choice.get("name") or (choice.get("function") or {}).get("name")
    return ToolChoice(mode="tool", name=name) if name in {tool.name for tool in tools} else None


def _chat_thoughts(message, origin):
    name = next((name for name in ("reasoning_content", "reasoning") if message.get(name)), None)
    return [ReasoningPart(text=message[name], opaque={name: message[name]}, origin=origin)] if name else []


def _chat_text(content):
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])


def _chat_parts(content, role, origin):
    if not isinstance(content, list):
        return [TextPart(text=content)] if content or role != "assistant" else []
    return [_chat_part(part, origin) for part in content]


def _chat_part(part, origin):
    match part["type"]:
        case "text":
            return TextPart(text=part["text"])
        case "image_url":
            address = part["image_url"]
            return ImagePart(**_media(address if isinstance(address, str) else address["url"]))
        case "file" if "file_data" in part["file"]:
            return DocumentPart(**_media(part["file"]["file_data"]), title=part["file"].get("filename"))
        case "document_url":
            return DocumentPart(**_media(part["document_url"]))
        case "thinking":
            thoughts = "".join(piece.get("text", "") for piece in part["thinking"])
            return ReasoningPart(text=thoughts, opaque=part, origin=origin)
        case kind:
            return OtherPart(kind=kind, opaque=part, origin=origin)


def _chat_calls(message):
    calls = message.get("tool_calls") or []
    return [
        ToolCallPart(call_id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in calls
    ]


# OpenAI Responses


def _responses(body, origin):
    turns = [("system", [TextPart(text=body["instructions"])])] if body.get("instructions") else []
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    for item in items:
        role, parts = _item(item, origin)
        if turns and turns[-1][0] == role and role in ("assistant", "tool"):
            turns[-1][1].extend(parts)
        else:
            turns.append((role, list(parts)))
    declared = [tool for tool in body.get("tools") or [] if tool["type"] == "function"]
    tools = [_tool(each["name"], each.get("description"), each.get("parameters")) for each in declared]
    effort = (body.get("reasoning") or {}).get("effort")
    thinking = Thinking(effort=effort) if effort in ("none", "minimal", "low", "medium", "high") else None
    choice = _chat_choice(body.get("tool_choice"), tools, body.get("parallel_tool_calls"))
    return request_of(turns, tools=tools, choice=choice, thinking=thinking, limit=body.get("max_output_tokens"))


def _item(item, origin):
    kind = item.get("type", "message")
    own = {"opaque": item, "origin": origin}
    if kind == "message":
        return _message_item(item, own)
    if kind == "reasoning":
        text = "\n".join(piece.get("text", "") for piece in item.get("summary") or [])
        return "assistant", [ReasoningPart(text=text, **own)]
    if kind in ("function_call", "custom_tool_call"):
        custom = True if kind == "custom_tool_call" else None
        arguments = item["input"] if custom else item["arguments"]
        call = ToolCallPart(call_id=item["call_id"], name=item["name"], arguments=arguments, custom=custom, **own)
        return "assistant", [call]
    if kind in ("function_call_output", "custom_tool_call_output"):
        return "tool", [_item_result(item, kind)]
    if kind == "additional_tools":
        return "system", [OtherPart(kind=kind, **own)]
    return "assistant", [ServerToolPart(name=kind, text=json.dumps(item), **own)]


def _message_item(item, own):
    role = {"developer": "system"}.get(item["role"], item["role"])
    content = item["content"]
    stamp = own if role == "assistant" and item.get("id") else {}
    if isinstance(content, str):
        return role, [TextPart(text=content, **stamp)]
    return role, [_item_part(part, own, stamp) for part in content]


def _item_part(part, own, stamp):
    kind = part["type"]
    if kind in ("input_text", "output_text"):
        return TextPart(text=part["text"], **stamp)
    address = part.get("image_url") or part.get("file_url") or part.get("file_data")
    if address is None:  # a file that stays with the vendor
        return OtherPart(kind=kind, **{**own, "opaque": part})
    return (ImagePart if kind == "input_image" else DocumentPart)(**_media(address))


def _item_result(item, kind):
    output = item["output"]
    custom = True if kind == "custom_tool_call_output" else None
    if isinstance(output, str):
        return ToolResultPart(call_id=item["call_id"], text=output, custom=custom)
    parts = [_item_part(part, {}, {}) for part in output if not part.get("file_id")]
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    attached = tuple(part for part in parts if isinstance(part, ImagePart | DocumentPart))
    return ToolResultPart(call_id=item["call_id"], text=text, attachments=attached or None, custom=custom)


# Anthropic Messages


def _anthropic(body, origin):
    turns = []
    if body.get("system"):
        turns.append(("system", [TextPart(text=text) for text in _block_texts(body["system"])]))
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        turns.append((message["role"], [_block(block, message["role"], origin) for block in blocks]))
    declared = [tool for tool in body.get("tools") or [] if "input_schema" in tool]
    tools = [_tool(each["name"], each.get("description"), each["input_schema"]) for each in declared]
    budget = (body.get("thinking") or {}).get("budget_tokens")
    return request_of(
        turns,
        tools=tools,
        choice=_anthropic_choice(body.get("tool_choice"), tools),
        thinking=Thinking(budget_tokens=budget) if budget else None,
        limit=body["max_tokens"],
    )


def _anthropic_choice(choice, tools):
    if not choice or not tools:
        return None
    mode = {"any": "required"}.get(choice["type"], choice["type"])
    parallel = False if choice.get("disable_parallel_tool_use") else None
    return ToolChoice(mode=mode, name=choice.get("name"), parallel=parallel)


def _block_texts(content):
    return [content] if isinstance(content, str) else [block["text"] for block in content if block["type"] == "text"]


def _block(block, role, origin):
    block = {key: value for key, value in block.items() if key != "cache_control"}
    own = {"opaque": block, "origin": origin}
    match block["type"]:
        case "text":
            return TextPart(text=block["text"], **(own if block.get("citations") else {}))
        case "thinking" | "redacted_thinking":
            return ReasoningPart(text=block.get("thinking", ""), **own)
        case "tool_use":
            stamp = own if set(block) - {"type", "id", "name", "input"} else {}
            arguments = json.dumps(block["input"])
            return ToolCallPart(call_id=block["id"], name=block["name"], arguments=arguments, **stamp)
        case "tool_result":
            return _block_result(block)
        case "image" | "document" if (media := _block_media(block)) is not None:
            return media
        case kind:
            return _other_block(block, kind, role, own)


def _other_block(block, kind, role, own):
    if role == "assistant":
        return ServerToolPart(name=block.get("name", kind), text=json.dumps(block.get("input", kind)), **own)
    return OtherPart(kind=kind, **own)


def _block_media(block):
    """A picture or a document; None for every other block, and for a file that stays with the vendor."""
    source = block.get("source")
    if block["type"] not in ("image", "document") or source["type"] not in ("text", "url", "base64"):
        return None
    made = ImagePart if block["type"] == "image" else DocumentPart
    if source["type"] == "text":
        return DocumentPart(text=source["data"], title=block.get("title"))
    if source["type"] == "url":
        return made(url=source["url"])
    return made(media_type=source["media_type"], data=source["data"])


def _block_result(block):
    content = block.get("content") or ""
    pieces = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = [(piece, _block_media(piece)) for piece in pieces]
    said = [piece["text"] if piece["type"] == "text" else json.dumps(piece) for piece, media in found if media is None]
    return ToolResultPart(
        call_id=block["tool_use_id"],
        text="\n".join(said),
        failed=bool(block.get("is_error")),
        attachments=tuple(media for _, media in found if media is not None) or None,
    )


# Gemini, in both spellings of its keys


def _camel(value):
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_camel_key(key): item if key in ("args", "response") else _camel(item) for key, item in value.items()}


def _camel_key(key):
    first, *others = key.split("_")
    return first + "".join(word.capitalize() for word in others)


def _gemini(body, origin):
    told = body.get("systemInstruction") or {}
    turns = [("system", [TextPart(text=part["text"]) for part in told["parts"]])] if told else []
    waiting = []
    for at, content in enumerate(body["contents"]):
        role = "assistant" if content.get("role") == "model" else "user"
        parts = [
            _gemini_part(_camel(part), f"{at}_{number}", waiting, origin)
            for number, part in enumerate(content["parts"])
        ]
        turns.append((role, parts))
    declared = [each for tool in body.get("tools") or [] for each in _camel(tool).get("functionDeclarations") or []]
    tools = [_tool(each["name"], each.get("description"), _schema(each)) for each in declared]
    limit = (body.get("generationConfig") or {}).get("maxOutputTokens")
    return request_of(turns, tools=tools, limit=limit)


def _schema(declared):
    return declared.get("parametersJsonSchema") or _lower_types(declared.get("parameters"))


def _lower_types(schema):
    if isinstance(schema, list):
        return [_lower_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    lowered = {key: _lower_types(item) for key, item in schema.items()}
    return {**lowered, "type": schema["type"].lower()} if isinstance(schema.get("type"), str) else lowered


def _gemini_part(part, place, waiting, origin):
    own = {"opaque": part, "origin": origin} if part.get("thoughtSignature") else {}
    if "text" in part:
        return (
            ReasoningPart(text=part["text"], origin=origin, opaque=part)
            if part.get("thought")
            else TextPart(text=part["text"], **own)
        )
    if "functionCall" in part:
        call = part["functionCall"]
        call_id = call.get("id") or f"call_{place}"
        waiting.append((call["name"], call_id))
        return ToolCallPart(call_id=call_id, name=call["name"], arguments=json.dumps(call.get("args") or {}), **own)
    if "functionResponse" in part:
        response = part["functionResponse"]
        call_id = response.get("id") or next((known for name, known in waiting if name == response["name"]), "unknown")
        waiting[:] = [(name, known) for name, known in waiting if known != call_id]
        return ToolResultPart(call_id=call_id, text=json.dumps(response["response"]))
    if "inlineData" in part or "fileData" in part:
        return _gemini_media(part.get("inlineData") or part["fileData"])
    said = {name: value for name, value in part.items() if name != "thoughtSignature"}
    return ServerToolPart(name=next(iter(said)), text=json.dumps(said), opaque=part, origin=origin)


def _gemini_media(data):
    made = ImagePart if (data.get("mimeType") or "").startswith("image/") else DocumentPart
    return made(media_type=data.get("mimeType"), data=data.get("data"), url=data.get("fileUri"))


# Bedrock Converse


def _bedrock(body, origin):
    turns = (
        [("system", [TextPart(text=block["text"]) for block in body["system"] if "text" in block])]
        if body.get("system")
        else []
    )
    for message in body["messages"]:
        parts = [_bedrock_part(block, origin) for block in message["content"] if "cachePoint" not in block]
        turns.append((message["role"], parts))
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    tools = [_tool(each["name"], each.get("description"), each["inputSchema"]["json"]) for each in specs]
    limit = (body.get("inferenceConfig") or {}).get("maxTokens")
    return request_of(turns, tools=tools, limit=limit)


def _bedrock_part(block, origin):
    own = {"opaque": block, "origin": origin}
    if "text" in block:
        return TextPart(text=block["text"])
    if "reasoningContent" in block:
        return ReasoningPart(text=block["reasoningContent"].get("reasoningText", {}).get("text", ""), **own)
    if "toolUse" in block:
        call = block["toolUse"]
        return ToolCallPart(call_id=call["toolUseId"], name=call["name"], arguments=json.dumps(call["input"]))
    if "toolResult" in block:
        return _bedrock_result(block["toolResult"])
    if "image" in block or "document" in block:
        return _bedrock_media(block)
    return OtherPart(kind=next(iter(block)), **own)


def _bedrock_media(block):
    kind = "image" if "image" in block else "document"
    inner = block[kind]
    data, form = inner["source"].get("bytes"), inner["format"]
    url = (inner["source"].get("s3Location") or {}).get("uri")
    if kind == "image":
        return ImagePart(media_type=f"image/{form}", data=data, url=url)
    media_type = {"pdf": "application/pdf", "txt": "text/plain"}.get(form, f"text/{form}")
    return DocumentPart(media_type=media_type, data=data, url=url, title=inner.get("name"))


def _bedrock_result(result):
    said, attached = [], []
    for piece in result["content"]:
        if "image" in piece or "document" in piece:
            attached.append(_bedrock_media(piece))
        else:
            said.append(piece["text"] if "text" in piece else json.dumps(piece))
    return ToolResultPart(
        call_id=result["toolUseId"],
        text="\n".join(said),
        failed=result.get("status") == "error",
        attachments=tuple(attached) or None,
    )
