"""The dialect of Anthropic's Messages: its own service, Amazon Bedrock's InvokeModel, and Google's Vertex AI.

Requests are made in `request`, replies read in `reply` and `stream`, tokens in
`usage`, errors in `provider_errors`. What differs between services and models is data: `AnthropicQuirks`.

Structured output is the vendor's own. Where a model has none, or the schema has objects of unknown names that it
cannot say, the model is forced to call one tool whose input has the answer's shape, and the input is read back as the
answer's words; in a history it goes out as words.

Sources: https://platform.claude.com/docs/en/api/messages,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html,
https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude
"""

from collections.abc import Mapping
from urllib.parse import quote

from harness.dialects.anthropic_messages.events import AWS_CONTENT_TYPE, FramedEvents, SentEvents
from harness.dialects.anthropic_messages.quirks import AnthropicQuirks
from harness.dialects.anthropic_messages.reply import message_of, reply_of
from harness.dialects.anthropic_messages.request import betas_of, request_body
from harness.dialects.anthropic_messages.rules import rules_of
from harness.dialects.anthropic_messages.stream import AnthropicStream
from harness.dialects.api_key_header import key_header
from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.provider_errors import error_of_response
from harness.dialects.whole_reply_stream import WholeReplyStream
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, Origin

_VERSION = "2023-06-01"


class AnthropicMessages:
    """The `Dialect` of Messages; it has no state."""

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation; see `Dialect`."""
        return rules_of(AnthropicQuirks.of(model.endpoint, endpoint), model.wire_name)

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = AnthropicQuirks.of(target.model.endpoint, target.endpoint)
        wire_name = target.model.wire_name
        return WireRequest(
            method="POST",
            url=_url(target.base_url.rstrip("/"), wire_name, quirks, stream=stream),
            headers=_headers(request, target, quirks, stream=stream),
            body=request_body(request, wire_name, target.origin, quirks, stream=stream),
            timeout_seconds=target.endpoint.timeout_seconds,
        )

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it is an error instead of a message.
        """
        message = message_of(response.body, response.headers, origin.endpoint)
        return reply_of(message, response.headers, origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        kind = headers.get("content-type", "")
        if kind.startswith("application/json"):
            return WholeReplyStream(lambda response: self.decode(response, origin), headers)
        framed = kind.startswith(AWS_CONTENT_TYPE)
        return AnthropicStream(FramedEvents() if framed else SentEvents(), origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


def _url(base: str, wire_name: str, quirks: AnthropicQuirks, *, stream: bool) -> str:
    if quirks.served_by == "bedrock":
        return f"{base}/model/{quote(wire_name, safe='')}/{'invoke-with-response-stream' if stream else 'invoke'}"
    if quirks.served_by == "vertex":
        verb = "streamRawPredict" if stream else "rawPredict"
        return f"{base}/publishers/anthropic/models/{quote(wire_name, safe='@')}:{verb}"
    return f"{base}/messages" if base.endswith("/v1") else f"{base}/v1/messages"


def _headers(request: ModelRequest, target: WireTarget, quirks: AnthropicQuirks, *, stream: bool) -> dict[str, str]:
    framed = stream and quirks.served_by == "bedrock"
    accepted = AWS_CONTENT_TYPE if framed else "text/event-stream" if stream else "application/json"
    headers = {"content-type": "application/json", "accept": accepted}
    betas = betas_of(request, quirks, target.model.wire_name)
    if quirks.served_by == "bedrock":
        if request.service_tier is not None:
            headers["x-amzn-bedrock-service-tier"] = request.service_tier
    elif betas:
        headers["anthropic-beta"] = ",".join(betas)
    if quirks.served_by == "anthropic":
        headers["anthropic-version"] = _VERSION
    usual = "x-api-key" if quirks.served_by == "anthropic" else "authorization"
    return headers | key_header(target, quirks.api_key_header or usual)
