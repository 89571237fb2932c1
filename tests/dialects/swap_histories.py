"""Conversations of every kind, whole and broken, and what a wire's rules say of one: read here without the swap."""

import json
import re
import string
from itertools import pairwise

from hypothesis import strategies as st

from harness.dialects.wire_rules import WireRules
from harness.models.catalogue import Capability, Model
from harness.models.messages import (
    CitationPart,
    DocumentPart,
    ImagePart,
    Message,
    ModelRequest,
    Origin,
    OtherPart,
    ReasoningPart,
    RefusalPart,
    ServerToolPart,
    TextPart,
    Thinking,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from tests.dialects.wire_targets import target_of

HERE = Origin(dialect="openai_chat", endpoint="there", model="wire")
ELSEWHERE = [
    Origin(dialect="anthropic_messages", endpoint="there", model="wire"),
    Origin(dialect="openai_chat", endpoint="there", model="other"),
    Origin(dialect="openai_chat", endpoint="there", model="wire", account="another key"),
]
VENDOR_KINDS = (TextPart, ReasoningPart, ToolCallPart, CitationPart, RefusalPart, ServerToolPart, OtherPart)


def target_with(*capabilities):
    return target_of(
        Model(endpoint="there", wire_name="wire", context_tokens=100_000, capabilities=frozenset(capabilities))
    )


words = st.text(string.ascii_letters + " ", max_size=5)
texts = words | st.sampled_from(["", " ", "\n"])
names = st.sampled_from(["look", "mcp.tool/x", "", "1st", "a" * 70, "größe"])
call_ids = st.sampled_from(["call_1", "call_0", "", "toolu_01.x:y", "abcdefghi", "a" * 70, "äö"])
arguments = st.sampled_from(['{"a": 1}', "{}", "", "[1]", '{"a": ', "7", '"x"', "free text"])

blocks = st.integers(0, 3).map(lambda number: {"secret": number})
stamps = st.one_of(
    st.just({}),
    st.builds(lambda block: {"opaque": block, "origin": HERE}, blocks),
    st.builds(lambda block, origin: {"opaque": block, "origin": origin}, blocks, st.sampled_from(ELSEWHERE)),
    st.sampled_from([{"origin": HERE}, {"origin": ELSEWHERE[0]}]),
)


def stamped(made, /, **fields):
    return st.builds(lambda stamp, values: made(**values, **stamp), stamps, st.fixed_dictionaries(fields))


media_types = st.sampled_from(["image/png", "image/tiff", "application/pdf", "text/plain", "text/csv", None])
contents = st.sampled_from(["aGVsbG8=", "/w==", None])
addresses = st.sampled_from(["https://example.org/x", "s3://bucket/x", "data:image/png;base64,aGVsbG8=", None])
images = st.builds(ImagePart, media_type=media_types, data=contents, url=addresses)
documents = st.builds(
    DocumentPart,
    media_type=media_types,
    data=contents,
    text=texts | st.none(),
    url=addresses,
    title=st.sampled_from(["Title", None]),
)
flags = st.sampled_from([True, None])
calls = stamped(ToolCallPart, call_id=call_ids, name=names, arguments=arguments, custom=flags)
attached = st.lists(images | documents, min_size=1, max_size=2).map(tuple) | st.none()
results = st.builds(
    ToolResultPart, call_id=call_ids, text=texts, failed=st.booleans(), attachments=attached, custom=flags
)
parts = st.one_of(
    stamped(TextPart, text=texts),
    stamped(ReasoningPart, text=texts),
    calls,
    results,
    images,
    documents,
    stamped(CitationPart, source=words),
    stamped(RefusalPart, text=texts),
    stamped(ServerToolPart, name=words, text=texts),
    stamped(OtherPart, kind=words),
)
roles = st.sampled_from(["system", "user", "assistant", "tool", "assistant", "tool"])
any_messages = st.builds(Message, role=roles, parts=st.lists(parts, max_size=4).map(tuple))


@st.composite
def loops(draw):
    """A turn with calls and their results, as a harness keeps them, in one tool turn or several."""
    asked = tuple(draw(st.lists(calls, min_size=1, max_size=3)))
    given = [ToolResultPart(call_id=call.call_id, text="done", attachments=draw(attached)) for call in asked]
    thoughts = draw(st.lists(stamped(ReasoningPart, text=texts), max_size=1))
    split = draw(st.booleans())
    results_in = [tuple(given)] if split else [(each,) for each in given]
    said = Message(role="assistant", parts=(*thoughts, *asked))
    return [said, *(Message(role="tool", parts=each) for each in results_in)]


histories = st.lists(any_messages.map(lambda message: [message]) | loops(), max_size=5).map(
    lambda pieces: tuple(message for piece in pieces for message in piece)
)
requests = st.builds(
    ModelRequest,
    messages=histories,
    max_output_tokens=st.just(10),
    thinking=st.sampled_from([None, Thinking(effort="high"), Thinking(effort="none"), Thinking(budget_tokens=5)]),
    tools=st.sampled_from([(), (Tool(name="look", description="", parameters={}),)]),
)
rule_sets = st.builds(
    WireRules,
    call_ids=st.sampled_from([None, r"[A-Za-z0-9]{9}", r"[a-zA-Z0-9_.:-]{1,64}"]),
    tool_names=st.sampled_from([None, r"[a-zA-Z0-9_-]{1,64}", r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"]),
    system=st.sampled_from(["anywhere", "first", "apart"]),
    alternates=st.booleans(),
    user_first=st.booleans(),
    empty_text=st.booleans(),
    image_types=st.sampled_from([frozenset(), frozenset({"image/png"})]),
    image_urls=st.booleans(),
    document_types=st.sampled_from([frozenset(), frozenset({"application/pdf"}), frozenset({"text/plain"})]),
    document_urls=st.booleans(),
    attachments=st.booleans(),
    arguments=st.sampled_from(["text", "object"]),
    custom_calls=st.booleans(),
    thinking_bound=st.booleans(),
    unanswered_calls=st.booleans(),
    plain_reasoning=st.booleans(),
    assistant_media=st.booleans(),
    own_schemes=st.sampled_from([frozenset(), frozenset({"s3"})]),
)
targets = st.sampled_from(
    [target_with(), target_with(Capability.IMAGES), target_with(Capability.TOOLS, Capability.DOCUMENTS)]
)


def own(part):
    """Whether the part goes back as the target's block."""
    return isinstance(part, VENDOR_KINDS) and part.opaque is not None and part.origin == HERE


def parts_of(request, kind):
    return [part for message in request.messages for part in message.parts if isinstance(part, kind)]


def media_of(request):
    alone = parts_of(request, ImagePart | DocumentPart)
    return alone + [each for part in parts_of(request, ToolResultPart) for each in part.attachments or ()]


def violations(request, rules, target):
    """What of a request the rules refuse; each kind of rule is read by itself."""
    found = [name for name, broken in CHECKS.items() if broken(request, rules, target)]
    return [*found, *(f"{role}: no parts" for role, count in _sizes(request) if not count)]


def _sizes(request):
    return [(message.role, len(message.parts)) for message in request.messages]


def _foreign(request, _rules, _target):
    return any(part.opaque is not None and part.origin != HERE for part in parts_of(request, VENDOR_KINDS))


def _ids(request, rules, _target):
    given = [part.call_id for part in parts_of(request, ToolCallPart) if not own(part)]
    taken = [part.call_id for part in parts_of(request, ToolCallPart) if own(part)]
    twice = len(set(given)) < len(given) or set(given) & set(taken)
    return twice or any(
        not call_id or (rules.call_ids and not re.fullmatch(rules.call_ids, call_id)) for call_id in given
    )


def _names(request, rules, _target):
    given = [part.name for part in parts_of(request, ToolCallPart) if not own(part)]
    return any(not name or (rules.tool_names and not re.fullmatch(rules.tool_names, name)) for name in given)


def _arguments(request, rules, _target):
    given = [part for part in parts_of(request, ToolCallPart) if not own(part)]
    plain = [part.arguments for part in given if not part.custom]
    custom = any(part.custom for part in given) and not rules.custom_calls
    return custom or (rules.arguments == "object" and any(not isinstance(json.loads(each), dict) for each in plain))


def _system(request, rules, _target):
    places = [at for at, message in enumerate(request.messages) if message.role == "system"]
    return rules.system != "anywhere" and places != list(range(len(places)))


def _speakers(request):
    sides = {"tool": "user"}
    return [sides.get(message.role, message.role) for message in request.messages]


def _alternation(request, rules, _target):
    speakers = _speakers(request)
    pairs = pairwise(speakers)
    return rules.alternates and any(one == other != "system" for one, other in pairs)


def _opening(request, rules, _target):
    spoken = [speaker for speaker in _speakers(request) if speaker != "system"]
    return rules.user_first and spoken[:1] != ["user"]


def _blanks(request, rules, _target):
    said = [part for part in parts_of(request, TextPart | RefusalPart) if not own(part)]
    return not rules.empty_text and any(not part.text.strip() for part in said)


def _media(request, rules, target):
    can = target.model.capabilities
    if not rules.attachments and any(part.attachments for part in parts_of(request, ToolResultPart)):
        return True
    spoken = [m for m in request.messages if m.role in ("system", "assistant")]
    if not rules.assistant_media and any(isinstance(p, ImagePart | DocumentPart) for m in spoken for p in m.parts):
        return True
    return any(not _takes(rules, can, part) for part in media_of(request))


def _takes(rules, can, part):
    if isinstance(part, ImagePart):
        able, types, urls = Capability.IMAGES in can, rules.image_types, rules.image_urls
    else:
        able, types, urls = Capability.DOCUMENTS in can, rules.document_types, rules.document_urls
    if can and not able:
        return False
    if part.data is not None:
        return part.media_type in types
    if isinstance(part, DocumentPart) and part.text is not None:
        return "text/plain" in types and part.text.strip()
    return part.url is not None and urls and part.url.split(":")[0] in ("https", *rules.own_schemes)


def _pairs(request, rules, _target):
    """Results stand right after the calls they answer, in their order, and nowhere else."""
    messages, seen = request.messages, 0
    for at, message in enumerate(messages):
        asked = [part.call_id for part in message.parts if isinstance(part, ToolCallPart)]
        if asked and message.role != "assistant":
            return True
        answered = _answers_after(messages, at) if message.role == "assistant" else []
        seen += len(answered)
        missing = [call_id for call_id in asked if call_id not in answered]
        if [call_id for call_id in asked if call_id not in missing] != answered:
            return True
        if missing and not rules.unanswered_calls:
            return True
    return seen != len(parts_of(request, ToolResultPart))


def _answers_after(messages, at):
    found = []
    for message in messages[at + 1 :]:
        given = [part for part in message.parts if isinstance(part, ToolResultPart)]
        if not given or message.role not in ("tool", "user") or list(message.parts[: len(given)]) != given:
            break
        found += [part.call_id for part in given]
        if len(given) < len(message.parts):
            if message.role == "tool":
                return ["words in a tool's turn"]
            break
    return found


def _kinds(request, _rules, _target):
    """A result is of its call's kind."""
    of_calls = {(part.call_id, bool(part.custom)) for part in parts_of(request, ToolCallPart)}
    return any((part.call_id, bool(part.custom)) not in of_calls for part in parts_of(request, ToolResultPart))


def _thinking(request, rules, _target):
    asked = request.thinking is not None and request.thinking.effort != "none"
    spoken = [message for message in request.messages if message.role == "assistant"]
    if not (rules.thinking_bound and asked and spoken):
        return False
    first = spoken[-1].parts[0]
    loop = any(isinstance(part, ToolCallPart) for part in spoken[-1].parts)
    return loop and not (isinstance(first, ReasoningPart) and own(first))


CHECKS = {
    "foreign blocks": _foreign,
    "ids": _ids,
    "names": _names,
    "arguments": _arguments,
    "system": _system,
    "alternation": _alternation,
    "opening": _opening,
    "blank texts": _blanks,
    "media": _media,
    "pairs": _pairs,
    "kinds of results": _kinds,
    "thinking": _thinking,
}
