"""The dialect of Amazon Bedrock's Converse: one wire for the models of many vendors.

Requests are made in `request` and `turns`, replies read in `reply` and `stream`, tokens
in `usage`; what differs between models is data in `models`. A key of Bedrock's goes as a bearer token;
without one `harness.integrations.aws_credentials` signs.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Mapping

from harness.dialects.api_key_header import key_header
from harness.dialects.bedrock_converse.models import BedrockQuirks, operation_url, traits_of
from harness.dialects.bedrock_converse.reply import answer_of, reply_of
from harness.dialects.bedrock_converse.request import request_body, rules_of
from harness.dialects.bedrock_converse.stream import BedrockStream
from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.provider_errors import error_of_response
from harness.dialects.whole_reply_stream import WholeReplyStream
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, Origin


class BedrockConverse:
    """The `Dialect` of Converse; it has no state."""

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation; see `Dialect`."""
        return rules_of(traits_of(model, BedrockQuirks.of(model.endpoint, endpoint)))

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        traits = traits_of(target.model, BedrockQuirks.of(target.model.endpoint, target.endpoint))
        return WireRequest(
            method="POST",
            url=operation_url(target, "converse-stream" if stream else "converse"),
            headers={
                "content-type": "application/json",
                "accept": "application/vnd.amazon.eventstream" if stream else "application/json",
                **key_header(target, "authorization"),
            },
            body=request_body(request, target.origin, traits),
            timeout_seconds=target.endpoint.timeout_seconds,
        )

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it carries an error instead of a message.
        """
        return reply_of(answer_of(response.body, response.headers, origin.endpoint), response.headers, origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        if headers.get("content-type", "").startswith("application/json"):
            return WholeReplyStream(lambda response: self.decode(response, origin), headers)
        return BedrockStream(origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)
