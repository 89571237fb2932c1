"""The dialect of OpenAI's chat completions, spoken by most servers there are.

Requests are made in `request`, replies read in `reply` and `stream`, tokens in
`usage`, errors in `provider_errors`. What differs between servers is data: `OpenAIChatQuirks`.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from collections.abc import Mapping

from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.openai_chat.address import post_of
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks, rules_of
from harness.dialects.openai_chat.reply import completion_of, reply_of
from harness.dialects.openai_chat.request import request_body
from harness.dialects.openai_chat.stream import OpenAIChatStream
from harness.dialects.provider_errors import error_of_response
from harness.dialects.whole_reply_stream import WholeReplyStream
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, Origin


class OpenAIChat:
    """The `Dialect` of chat completions; it has no state."""

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation; see `Dialect`."""
        return rules_of(OpenAIChatQuirks.of(model.endpoint, endpoint), model)

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = OpenAIChatQuirks.of(target.model.endpoint, target.endpoint)
        body = request_body(request, target.model, quirks, target.origin, stream=stream)
        return post_of(target, quirks, quirks.path, body, accept="text/event-stream" if stream else "application/json")

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it carries an error instead of choices.
        """
        completion = completion_of(response.body, response.headers, origin.endpoint)
        return reply_of(completion, response.headers, origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        if headers.get("content-type", "").startswith("application/json"):
            return WholeReplyStream(lambda response: self.decode(response, origin), headers)
        return OpenAIChatStream(origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)
