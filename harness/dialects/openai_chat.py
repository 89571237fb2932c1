"""The dialect of OpenAI's chat completions, spoken by most servers there are.

Requests are made in `openai_chat_request`, replies read in `openai_chat_reply` and `openai_chat_stream`, tokens in
`openai_chat_usage`, errors in `provider_errors`. What differs between servers is data: `OpenAIChatQuirks`.

Source: https://platform.openai.com/docs/api-reference/chat
"""

from harness.dialects.dialect import StreamDecoder
from harness.dialects.openai_chat_reply import reply_of
from harness.dialects.openai_chat_request import OpenAIChatQuirks, request_body
from harness.dialects.openai_chat_stream import OpenAIChatStream, WholeReplyStream, completion_of
from harness.dialects.provider_errors import error_of_response
from harness.dialects.wire import WireRequest, WireResponse
from harness.exceptions import KeyRefused, ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest


class OpenAIChat:
    """The `Dialect` of chat completions; it has no state."""

    def encode(
        self,
        request: ModelRequest,
        model: Model,
        endpoint: Endpoint,
        *,
        base_url: str,
        api_key: str | None,
        stream: bool,
    ) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = OpenAIChatQuirks.of(model.endpoint, endpoint)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if stream else "application/json",
            **_authorization(model.endpoint, api_key, quirks),
        }
        return WireRequest(
            method="POST",
            url=f"{base_url.rstrip('/')}/chat/completions",
            headers=headers,
            body=request_body(request, model, quirks, stream=stream),
            timeout_seconds=endpoint.timeout_seconds,
        )

    def decode(self, response: WireResponse, endpoint_name: str) -> ModelReply:
        """The reply of a 2xx answer; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it carries an error instead of choices.
        """
        completion = completion_of(response.body, response.headers, endpoint_name)
        return reply_of(completion, response.headers, endpoint_name)

    def stream_decoder(self, endpoint_name: str, headers: dict[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        if headers.get("content-type", "").startswith("application/json"):
            return WholeReplyStream(endpoint_name, headers)
        return OpenAIChatStream(endpoint_name, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


def _authorization(endpoint_name: str, api_key: str | None, quirks: OpenAIChatQuirks) -> dict[str, str]:
    key = (api_key or "").strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        # Said here, because the HTTP library's own error would show the key.
        raise KeyRefused(endpoint_name, "the key holds characters that no HTTP header can: set it again, on one line")
    return {quirks.api_key_header: key} if quirks.api_key_header else {"authorization": f"Bearer {key}"}
