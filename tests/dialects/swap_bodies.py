"""The vendors' written rules of a conversation, read in the bodies themselves: turns, ids, pairs, nothing foreign."""

import re
from itertools import pairwise


def rule_breaks(dialect, body):
    """The rules that a body breaks, in words."""
    check = {
        "openai_chat": _chat,
        "openai_responses": _responses,
        "anthropic_messages": _anthropic,
        "gemini": _gemini,
        "bedrock_converse": _bedrock,
    }
    return [words for broken, words in check[dialect](body) if broken]


def secrets_of(value):
    """Every signature, encrypted text and item id of a recorded request, however deep it lies."""
    found = set()
    if isinstance(value, dict):
        for key, item in value.items():
            sealed = key in _SEALED or (key == "id" and value.get("type") in _ITEMS)
            if sealed and isinstance(item, str) and _ONE_WORD.fullmatch(item) and item not in _SENTINELS:
                found.add(item)
            found |= secrets_of(item)
    elif isinstance(value, list):
        for item in value:
            found |= secrets_of(item)
    return found


# Gemini's word for "no signature", plain and in base64: it belongs to nobody.
_SENTINELS = {"skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}
_ONE_WORD = re.compile(r"\S{13,}")  # `data` is sealed thought in one block and a page's words in another
_ITEMS = ("reasoning", "message", "function_call", "custom_tool_call")
_SEALED = {"signature", "thoughtSignature", "thought_signature", "encrypted_content", "encrypted_index", "data"}


def _chat(body):
    turns = body["messages"]
    for at, turn in enumerate(turns):
        asked = [call["id"] for call in turn.get("tool_calls") or []]
        after = []
        for following in turns[at + 1 :]:
            if following["role"] != "tool":
                break
            after.append(following["tool_call_id"])
        yield bool(asked) and asked != after, f"turn {at}: calls {asked} are followed by results {after}"
        lonely = turn["role"] == "tool" and (at == 0 or turns[at - 1]["role"] not in ("tool", "assistant"))
        yield lonely, f"turn {at}: a result that follows no call"
        yield any(not isinstance(c["function"]["arguments"], str) for c in turn.get("tool_calls") or []), "arguments"
    ids = [call["id"] for turn in turns for call in turn.get("tool_calls") or []]
    yield len(set(ids)) < len(ids), "an id twice"


def _responses(body):
    items = body["input"]
    asked = [item["call_id"] for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    kinds = ("function_call_output", "custom_tool_call_output")
    given = [item["call_id"] for item in items if item.get("type") in kinds]
    yield sorted(asked) != sorted(given), f"calls {asked} and outputs {given}"
    yield len(set(asked)) < len(asked), "an id twice"
    yield any(not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call_id) for call_id in asked), "an id that does not fit"


def _anthropic(body):
    turns = [(turn["role"], _blocks(turn["content"])) for turn in body["messages"]]
    yield from _alternating([role for role, _ in turns])
    asked = [[(b["id"], b["name"]) for b in blocks if b["type"] == "tool_use"] for _, blocks in turns]
    given = [[b["tool_use_id"] for b in blocks if b["type"] == "tool_result"] for _, blocks in turns]
    yield from _paired(asked, given, r"[a-zA-Z0-9_-]+")
    for _, blocks in turns:
        kinds = [block["type"] for block in blocks]
        led = kinds[: kinds.count("tool_result")]
        yield set(led) - {"tool_result"}, f"results do not lead: {kinds}"
        yield any(not b["text"].strip() for b in blocks if b["type"] == "text"), "a blank text"
        yield not blocks, "an empty turn"
    thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    last = next((blocks for role, blocks in reversed(turns) if role == "assistant"), [])
    bound = any(block["type"] == "tool_use" for block in last) and last[0]["type"] not in _THOUGHTS
    yield thinks and bound, "a tool loop without its thoughts"


_THOUGHTS = ("thinking", "redacted_thinking")


def _blocks(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _bedrock(body):
    turns = [(turn["role"], turn["content"]) for turn in body["messages"]]
    yield from _alternating([role for role, _ in turns])
    asked = [
        [(b["toolUse"]["toolUseId"], b["toolUse"]["name"]) for b in blocks if "toolUse" in b] for _, blocks in turns
    ]
    given = [[b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b] for _, blocks in turns]
    yield from _paired(asked, given, r"[a-zA-Z0-9_.:-]{1,64}")
    yield any(asked) and not (body.get("toolConfig") or {}).get("tools"), "calls without toolConfig"
    yield any(not b["text"].strip() for _, blocks in turns for b in blocks if "text" in b), "a blank text"
    yield any(not blocks for _, blocks in turns), "an empty turn"
    names = [b["document"]["name"] for _, blocks in turns for b in blocks if "document" in b]
    yield any(not re.fullmatch(r"[A-Za-z0-9 ()\[\]-]+", name) or "  " in name for name in names), "a document's name"


def _gemini(body):
    turns = [(turn["role"], turn["parts"]) for turn in body["contents"]]
    yield from _alternating(["assistant" if role == "model" else role for role, _ in turns])
    asked = [[p["functionCall"]["name"] for p in parts if "functionCall" in p] for _, parts in turns]
    given = [[p["functionResponse"]["name"] for p in parts if "functionResponse" in p] for _, parts in turns]
    for at, names in enumerate(asked):
        after = given[at + 1] if at + 1 < len(given) else []
        yield bool(names) and names != after, f"calls {names} are followed by results {after}"
    yield sum(map(len, asked)) != sum(map(len, given)), "a result without a call"
    yield any(not parts for _, parts in turns), "an empty turn"
    told = [part["functionResponse"]["response"] for _, parts in turns for part in parts if "functionResponse" in part]
    yield any(not isinstance(each, dict) for each in told), "a response that is no object"


def _alternating(roles):
    yield roles[:1] != ["user"], "the first turn is not the user's"
    yield any(one == other for one, other in pairwise(roles)), f"roles do not alternate: {roles}"
    yield bool(set(roles) - {"user", "assistant"}), f"another role: {roles}"


def _paired(asked, given, rule):
    ids = [call_id for calls in asked for call_id, _ in calls]
    yield len(set(ids)) < len(ids), "an id twice"
    yield any(not re.fullmatch(rule, call_id) for call_id in ids), "an id that does not fit"
    names = [name for calls in asked for _, name in calls]
    yield any(not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names), f"a name that does not fit: {names}"
    for at, calls in enumerate(asked):
        after = given[at + 1] if at + 1 < len(given) else []
        yield bool(calls) and [each for each, _ in calls] != after, f"calls {calls} are followed by results {after}"
    yield sum(map(len, asked)) != sum(map(len, given)), "a result without a call"
