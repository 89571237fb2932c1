"""One exchange with a provider: the signed request leaves, and its answer is read by the endpoint's dialect."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from harness.dialects.wire import WireRequest
from harness.exceptions import Broken
from harness.metering.connection import Connection
from harness.metering.keyless_answers import KeylessEvents
from harness.models.messages import ModelReply, ReplyEnd, StreamEvent

OnEvent = Callable[[StreamEvent], None]
OnHeaders = Callable[[Mapping[str, str]], None]


async def exchanged(connection: Connection, wire: WireRequest, on_headers: OnHeaders) -> ModelReply:
    """The reply, whole.

    Raises:
        ProviderError: what came instead.
    """
    response = await connection.transport.send(wire)
    on_headers(response.headers)
    if not _is_reply(response.status):
        raise connection.dialect.error(response, connection.target.origin.endpoint)
    return connection.dialect.decode(response, connection.target.origin)


async def exchanged_streamed(
    connection: Connection, wire: WireRequest, on_headers: OnHeaders, on_event: OnEvent
) -> ModelReply:
    """The reply, heard as it arrives.

    Raises:
        ProviderError: what came instead, or in the middle of it.
    """
    origin = connection.target.origin
    async with connection.transport.stream(wire) as stream:
        on_headers(stream.headers)
        if not _is_reply(stream.status):
            raise connection.dialect.error(await stream.response(), origin.endpoint)
        decoder = connection.dialect.stream_decoder(origin, stream.headers)
        listener = KeylessEvents(connection.secrets(wire), on_event)
        async for chunk in stream.chunks():
            if (reply := _heard(decoder.feed(chunk), listener)) is not None:
                return reply
        if (reply := _heard(decoder.end(), listener)) is not None:
            return reply
    raise Broken(origin.endpoint, "the stream ended without its last event")


def _heard(events: Iterable[StreamEvent], listener: KeylessEvents) -> ModelReply | None:
    """Pass events on; the reply, once the last of them has come."""
    for event in events:
        with suppress(Exception):  # a listener's fault is not the call's
            if isinstance(event, ReplyEnd):
                listener.end()
            else:
                listener.heard(event)
        if isinstance(event, ReplyEnd):
            return event.reply
    return None


def _is_reply(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers
