"""The dialect of OpenAI's Responses API, as OpenAI, Azure, xAI, DeepSeek, OpenRouter and Bedrock's mantle speak it.

Requests are made in `request`, replies read in `reply` and `stream`,
errors in `provider_errors`. What differs between servers is data: `OpenAIResponsesQuirks`.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from collections.abc import Mapping

from harness.dialects.api_key_header import key_header
from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.openai_responses.quirks import OpenAIResponsesQuirks, rules_of
from harness.dialects.openai_responses.reply import reply_of, response_of
from harness.dialects.openai_responses.request import request_body
from harness.dialects.openai_responses.stream import OpenAIResponsesStream
from harness.dialects.provider_errors import error_of_response
from harness.dialects.whole_reply_stream import WholeReplyStream
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, Origin


class OpenAIResponses:
    """The `Dialect` of the Responses API; it has no state."""

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation; see `Dialect`."""
        return rules_of(OpenAIResponsesQuirks.of(model.endpoint, endpoint), model)

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = OpenAIResponsesQuirks.of(target.model.endpoint, target.endpoint)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if stream else "application/json",
            **key_header(target, quirks.api_key_header or "authorization"),
        }
        return WireRequest(
            method="POST",
            url=f"{target.base_url.rstrip('/')}/responses",
            headers=headers,
            body=request_body(request, target.model, quirks, target.origin, stream=stream),
            timeout_seconds=target.endpoint.timeout_seconds,
        )

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it failed, or is an error in spite of its status.
        """
        body = response_of(response.body, response.headers, origin.endpoint)
        return reply_of(body, response.headers, origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        if headers.get("content-type", "").startswith("application/json"):
            return WholeReplyStream(lambda response: self.decode(response, origin), headers)
        return OpenAIResponsesStream(origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)
