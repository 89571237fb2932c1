"""What a dialect costs beside the vendor's SDK and the LangChain partner package: `python -m benchmarks.dialects`.

The same canned answer of the same loopback server (its own process), asked for in turn by our dialect over httpx (swap,
encode, send, decode), by the vendor's SDK and by the LangChain package; once as a whole answer and once as a stream of
138 words. CPU of this process alone, one caller, connections kept open. An event's CPU is that of a whole stream divided
by its words. Needs `requirements/benchmarks.txt`.
"""
# Checks run without the packages that it is measured against.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import boto3
import openai
from google import genai
from langchain_anthropic import ChatAnthropic
from langchain_aws import ChatBedrockConverse
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from benchmarks.canned_vendors import EVENTS, TEXT
from benchmarks.reporting import Figure, Goal, arguments, machine, report, versions
from harness.dialects.dialect import WireTarget
from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.known_dialects import DIALECTS
from harness.dialects.request_signer import RequestSigner
from harness.dialects.swap.swap import swapped
from harness.dialects.wire import WireRequest
from harness.integrations.aws_credentials import AwsSigner
from harness.metering.connection import Connection
from harness.models.catalogue import DialectName, Endpoint, Model
from harness.models.messages import ModelRequest, Origin, ReplyEnd, user

PROMPT = "Write a hundred and thirty-eight words about the harbour."
GOAL_CALL = 0.5
GOAL_EVENT = 0.2
_KEY = "sk-benchmark"
_AWS = {"aws_access_key_id": "AKIABENCHMARK", "aws_secret_access_key": "secret"}
_REGION = "us-east-1"
_AWS_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": _AWS["aws_access_key_id"],
    "AWS_SECRET_ACCESS_KEY": _AWS["aws_secret_access_key"],
    "AWS_REGION": _REGION,
}

# Asks once and gives back the answer's text.
Ask = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Side:
    """One way to ask: for a whole answer and for a stream."""

    call: Ask
    stream: Ask


def ours(name: DialectName, base_url: str, signer: RequestSigner | None = None) -> Side:
    """Our dialect over httpx, with every step between a neutral request and a neutral reply."""
    dialect, transport = DIALECTS[name], HttpxTransport("there")
    endpoint = Endpoint(dialect=name, base_url=base_url, timeout_seconds=30)
    model = Model(endpoint="there", wire_name="m", context_tokens=100_000)
    origin = Origin(dialect=name, endpoint="there", model="m")
    target = WireTarget(model, endpoint, base_url, SecretStr(_KEY) if signer is None else None, origin)
    connection = Connection(dialect, transport, target, signer=signer)
    request = ModelRequest(messages=(user(PROMPT),), max_output_tokens=400)

    async def encoded(*, stream: bool) -> WireRequest:
        asked, _ = swapped(request, target, dialect.rules(model, endpoint))
        return await connection.signed(dialect.encode(asked, target, stream=stream))

    async def call() -> str:
        response = await transport.send(await encoded(stream=False))
        return dialect.decode(response, origin).text

    async def stream() -> str:
        async with transport.stream(await encoded(stream=True)) as answer:
            decoder = dialect.stream_decoder(origin, answer.headers)
            events = [event async for chunk in answer.chunks() for event in decoder.feed(chunk)]
        if not isinstance(events[-1], ReplyEnd):
            events += decoder.end()
        last = events[-1]
        assert isinstance(last, ReplyEnd)
        return last.reply.text

    return Side(call, stream)


def langchain(model: Any) -> Side:
    """A LangChain chat model."""

    async def call() -> str:
        return str((await model.ainvoke(PROMPT)).text)

    async def stream() -> str:
        return "".join([str(chunk.text) async for chunk in model.astream(PROMPT)])

    return Side(call, stream)


def openai_chat(url: str) -> dict[str, Side]:
    """Chat completions."""
    client = openai.AsyncOpenAI(api_key=_KEY, base_url=f"{url}/v1", max_retries=0)
    messages: Any = [{"role": "user", "content": PROMPT}]
    create: Any = client.chat.completions.create

    async def call() -> str:
        return (await create(model="m", messages=messages, max_tokens=400)).choices[0].message.content

    async def stream() -> str:
        options = {"include_usage": True}
        chunks = await create(model="m", messages=messages, max_tokens=400, stream=True, stream_options=options)
        return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])

    theirs: Any = ChatOpenAI
    chat = theirs(model="m", api_key=_KEY, base_url=f"{url}/v1", max_retries=0, max_tokens=400, stream_usage=True)
    return {
        "ours": ours(DialectName.OPENAI_CHAT, f"{url}/v1"),
        "SDK": Side(call, stream),
        "LangChain": langchain(chat),
    }


def openai_responses(url: str) -> dict[str, Side]:
    """The responses API."""
    client = openai.AsyncOpenAI(api_key=_KEY, base_url=f"{url}/v1", max_retries=0)
    create: Any = client.responses.create

    async def call() -> str:
        return (await create(model="m", input=PROMPT, max_output_tokens=400)).output_text

    async def stream() -> str:
        events = await create(model="m", input=PROMPT, max_output_tokens=400, stream=True)
        return "".join([e.delta async for e in events if e.type == "response.output_text.delta"])

    theirs: Any = ChatOpenAI
    chat = theirs(model="m", api_key=_KEY, base_url=f"{url}/v1", max_retries=0, max_tokens=400, use_responses_api=True)
    return {
        "ours": ours(DialectName.OPENAI_RESPONSES, f"{url}/v1"),
        "SDK": Side(call, stream),
        "LangChain": langchain(chat),
    }


def anthropic_messages(url: str) -> dict[str, Side]:
    """Anthropic's messages."""
    client = anthropic.AsyncAnthropic(api_key=_KEY, base_url=url, max_retries=0)
    messages: Any = [{"role": "user", "content": PROMPT}]
    create: Any = client.messages.create

    async def call() -> str:
        return (await create(model="m", messages=messages, max_tokens=400)).content[0].text

    async def stream() -> str:
        events = await create(model="m", messages=messages, max_tokens=400, stream=True)
        return "".join([e.delta.text async for e in events if e.type == "content_block_delta"])

    theirs: Any = ChatAnthropic
    chat = theirs(model="m", api_key=_KEY, base_url=url, max_retries=0, max_tokens=400)
    return {
        "ours": ours(DialectName.ANTHROPIC_MESSAGES, url),
        "SDK": Side(call, stream),
        "LangChain": langchain(chat),
    }


def gemini(url: str) -> dict[str, Side]:
    """Google's generateContent."""
    client = genai.Client(api_key=_KEY, http_options=genai.types.HttpOptions(base_url=url))
    config: Any = {"max_output_tokens": 400}

    async def call() -> str:
        answer = await client.aio.models.generate_content(model="m", contents=PROMPT, config=config)
        return answer.text or ""

    async def stream() -> str:
        chunks: AsyncIterator[Any] = await client.aio.models.generate_content_stream(
            model="m", contents=PROMPT, config=config
        )
        return "".join([chunk.text or "" async for chunk in chunks])

    theirs: Any = ChatGoogleGenerativeAI
    chat = theirs(model="m", google_api_key=_KEY, base_url=url, max_retries=1, max_output_tokens=400)
    return {
        "ours": ours(DialectName.GEMINI, f"{url}/v1beta"),
        "SDK": Side(call, stream),
        "LangChain": langchain(chat),
    }


def bedrock_converse(url: str) -> dict[str, Side]:
    """Bedrock's converse; boto3 has no asynchronous side. Ours signs by SigV4 too."""
    client: Any = boto3.client("bedrock-runtime", region_name=_REGION, endpoint_url=url, **_AWS)
    messages = [{"role": "user", "content": [{"text": PROMPT}]}]
    limit = {"maxTokens": 400}

    async def call() -> str:
        answer = client.converse(modelId="m", messages=messages, inferenceConfig=limit)
        return answer["output"]["message"]["content"][0]["text"]

    async def stream() -> str:
        answer = client.converse_stream(modelId="m", messages=messages, inferenceConfig=limit)
        return "".join(e["contentBlockDelta"]["delta"]["text"] for e in answer["stream"] if "contentBlockDelta" in e)

    theirs: Any = ChatBedrockConverse
    chat = theirs(model="m", client=client, max_tokens=400, provider="amazon", disable_streaming=False)
    return {
        "ours": ours(DialectName.BEDROCK_CONVERSE, url, AwsSigner("there", _AWS_ENVIRONMENT)),
        "SDK": Side(call, stream),
        "LangChain": langchain(chat),
    }


WIRES: dict[str, Callable[[str], dict[str, Side]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "bedrock_converse": bedrock_converse,
}


async def measured(ask: Ask) -> float:
    """CPU of one answer, milliseconds; the answer must be the whole text."""
    began = time.process_time()
    text = await ask()
    took = (time.process_time() - began) * 1000
    assert text == TEXT, f"another text of {len(text)} characters"
    return took


async def measured_wire(name: str, sides: dict[str, Side], runs: int, warmup: int) -> list[Figure]:
    """Every side in turn, so that what the machine does meanwhile falls on all of them."""
    calls: dict[str, list[float]] = {side: [] for side in sides}
    streams: dict[str, list[float]] = {side: [] for side in sides}
    for run in range(warmup + runs):
        for side, asks in sides.items():
            call, stream = await measured(asks.call), await measured(asks.stream)
            if run >= warmup:
                calls[side].append(call)
                streams[side].append(stream * 1000 / EVENTS)
    return [
        *(Figure.of(f"{name}, {side}: CPU a call", "ms", values) for side, values in calls.items()),
        *(Figure.of(f"{name}, {side}: CPU an event", "us", values) for side, values in streams.items()),
    ]


def goals_of(figures: list[Figure]) -> list[Goal]:
    """Ours beside the SDK's."""
    median = {figure.name: figure.median for figure in figures}
    return [
        Goal(f"{name}: {what}, times the SDK's", median[f"{name}, ours: {what}"] / median[f"{name}, SDK: {what}"], goal)
        for name in WIRES
        for what, goal in (("CPU a call", GOAL_CALL), ("CPU an event", GOAL_EVENT))
    ]


async def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "", runs=60, warmup=5)
    ran_on = machine()
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.canned_vendors", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    figures: list[Figure] = []
    try:
        url = f"http://127.0.0.1:{int(await server.stdout.readline())}"
        for name, sides_at in WIRES.items():
            figures += await measured_wire(name, sides_at(url), options.runs, options.warmup)
    finally:
        server.stdin.close()
        await server.wait()
    sdks = ("httpx", "openai", "anthropic", "google-genai", "boto3")
    partners = ("langchain-openai", "langchain-anthropic", "langchain-google-genai", "langchain-aws")
    report(
        as_json=options.json, ran_on=ran_on, used=versions(*sdks, *partners), figures=figures, goals=goals_of(figures)
    )


if __name__ == "__main__":
    asyncio.run(main())
