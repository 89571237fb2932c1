"""Every recorded conversation with tools, continued on every wire: the pairs, what was lost, what a body breaks."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.dialects.dialect import WireTarget
from harness.dialects.known_dialects import DIALECTS
from harness.dialects.swap.swap import SwapReport, swapped
from harness.exceptions import ProviderError
from harness.models.catalogue import Capability, DialectName, Endpoint, Model
from harness.models.messages import (
    Message,
    ModelRequest,
    Origin,
    ReasoningPart,
    ReplyEnd,
    Thinking,
    Tool,
    ToolCallPart,
    ToolResultPart,
    user,
)
from tests.dialects import recorded_histories, swap_bodies, swap_schemas
from tests.recorded_traffic import recorded, response_of

Quirks = Mapping[str, str | bool]

# A model of each wire. None of the recordings was made with the account that it is asked from, so a wire and itself
# are two models of one vendor.
WIRES: dict[str, tuple[str, str, Quirks]] = {
    "openai_chat": ("openai_chat", "gpt-5.1", {}),
    "openai_responses": ("openai_responses", "gpt-5.1", {}),
    "anthropic_messages": ("anthropic_messages", "claude-sonnet-4-5", {}),
    "gemini": ("gemini", "gemini-3-pro-preview", {}),
    "bedrock_converse": ("bedrock_converse", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", {}),
}
# The same wires as other servers want them.
SERVERS: dict[str, tuple[str, str, Quirks]] = {
    "mistral": ("openai_chat", "mistral-large-latest", {"tool_call_ids": "nine_alphanumerics"}),
    "sonar": ("openai_chat", "sonar-pro", {"alternates": True}),
    "nova": ("bedrock_converse", "us.amazon.nova-2-lite-v1:0", {}),
    "gemini 2.5": ("gemini", "gemini-2.5-flash", {}),
    "claude 3": ("anthropic_messages", "claude-3-haiku-20240307", {}),
}


@dataclass
class Pair:
    """What became of all conversations of one wire on another.

    Args:
        untouched: conversations that went as they were.
        lost: parts that the target is not shown at all.
        changes: how often what became what, as "became what".
        invalid: what the vendor's schema or its written rules say, with the record's id.
        leaked: opaque texts that went along, or at home did not come back.
    """

    source: str
    target: str
    histories: int = 0
    untouched: int = 0
    lost: int = 0
    changes: Counter[str] = field(default_factory=Counter[str])
    invalid: list[str] = field(default_factory=list[str])
    leaked: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class History:
    """A conversation to continue.

    Args:
        name: the record's id.
        sealed: every signature, encrypted text and item id of its vendor's.
    """

    name: str
    request: ModelRequest
    origin: Origin
    sealed: frozenset[str]


def matrix(conversations: list[History], targets: Mapping[str, tuple[str, str, Quirks]]) -> list[Pair]:
    """All conversations on all targets, by ordered pair."""
    pairs = {(source, target): Pair(source, target) for source in WIRES for target in targets}
    for history in conversations:
        for name, (dialect, wire_name, quirks) in targets.items():
            _judge(pairs[history.origin.dialect, name], history, target_of(dialect, wire_name, quirks))
    return list(pairs.values())


def at_home(conversations: list[History]) -> list[Pair]:
    """Every conversation sent back to where it came from."""
    pairs = {dialect: Pair(dialect, "home") for dialect in WIRES}
    for history in conversations:
        origin = history.origin
        _judge(pairs[origin.dialect], history, target_of(origin.dialect, origin.model, {}, origin), home=True)
    return list(pairs.values())


def target_of(dialect: str, wire_name: str, quirks: Quirks, origin: Origin | None = None) -> WireTarget:
    """Where a conversation is continued; `origin` only where it goes back home."""
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", dialect=DialectName(dialect), quirks=quirks)
    name = origin.endpoint if origin else "target"
    model = Model(endpoint=name, wire_name=wire_name, context_tokens=200_000, capabilities=frozenset(Capability))
    stamp = origin or Origin(dialect=dialect, endpoint=name, model=wire_name)
    return WireTarget(model, endpoint, "http://127.0.0.1:9/v1", None, stamp)


def continued(request: ModelRequest, target: WireTarget) -> tuple[dict[str, Any], SwapReport]:
    """The body of the request on the target's wire, and what the swap reported."""
    dialect = DIALECTS[target.endpoint.dialect]
    asked, report = swapped(request, target, dialect.rules(target.model, target.endpoint))
    return json.loads(dialect.encode(asked, target, stream=False).body), report


def recorded_requests() -> list[History]:
    """The recorded requests with calls and results."""
    found: list[History] = []
    for record in recorded(*recorded_histories.DIALECTS):
        read = recorded_histories.history_of(record)
        if read:
            found.append(History(record["id"], *read, frozenset(swap_bodies.secrets_of(record["request"]))))
    return found


def recorded_answers() -> list[History]:
    """A question, each recorded answer with something that only its vendor can read, and what follows such an answer.

    Where it called tools, the loop is not finished: the results follow, and where it thought, thinking is asked for.
    """
    return [history for record in recorded(*recorded_histories.DIALECTS) for history in _answered(record)]


def _answered(record: dict[str, Any]) -> Iterator[History]:
    dialect = recorded_histories.DIALECTS[record["api"]]
    origin = Origin(dialect=dialect, endpoint=record["vendor"], model=record["model"] or "unnamed")
    message = _reply_of(record, dialect, origin) if record["status"] == 200 else None
    blocks = [part.opaque for part in message.parts if getattr(part, "opaque", None)] if message else []
    sealed = frozenset(secret for block in blocks for secret in swap_bodies.secrets_of(block))
    if not message or not sealed:
        return
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    results = tuple(ToolResultPart(call_id=call.call_id, text="done", custom=call.custom) for call in calls)
    after = Message(role="tool", parts=results) if results else user("go on")
    thinking = Thinking(budget_tokens=2048) if isinstance(message.parts[0], ReasoningPart) else None
    names = dict.fromkeys(call.name for call in calls)
    tools = tuple(Tool(name=name, description="", parameters={"type": "object"}) for name in names)
    messages = (user("x"), message, after)
    request = ModelRequest(messages=messages, max_output_tokens=4096, tools=tools, thinking=thinking)
    yield History(record["id"], request, origin, sealed)


def _reply_of(record: dict[str, Any], name: str, origin: Origin) -> Message | None:
    dialect, response = DIALECTS[DialectName(name)], response_of(record)
    try:
        if record["wire"] == "json":
            return dialect.decode(response, origin).message
        decoder = dialect.stream_decoder(origin, response.headers)
        last = [*decoder.feed(response.body), *decoder.end()][-1]
    except ProviderError:
        return None
    return last.reply.message if isinstance(last, ReplyEnd) else None


def _judge(pair: Pair, history: History, target: WireTarget, *, home: bool = False) -> None:
    body, report = continued(history.request, target)
    pair.histories += 1
    pair.untouched += not report.changes
    pair.lost += sum(change.count for change in report.losses)
    for change in report.changes:
        pair.changes[f"{change.became} {change.what}"] += change.count
    dialect = str(target.endpoint.dialect)
    if not home:  # a vendor's own blocks are not all in the schema that it publishes
        said = [*swap_schemas.problems(dialect, body), *swap_bodies.rule_breaks(dialect, body)]
        pair.invalid += [f"{history.name} {words}" for words in said]
    text = json.dumps(body, ensure_ascii=False)
    pair.leaked += [f"{history.name} {secret[:20]}" for secret in history.sealed if (secret in text) != home]
