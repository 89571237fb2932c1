"""The dialect of Google's `generateContent`, on the Gemini API and on Vertex AI.

Requests are made in `request` and `turns`, replies read in `reply` and `stream`, tokens in
`usage`, errors in `provider_errors`. What differs between generations of models is data in `models`.

An endpoint's `base_url` ends where the models' collection begins: `https://generativelanguage.googleapis.com/v1beta`,
or `https://REGION-aiplatform.googleapis.com/v1/projects/P/locations/L/publishers/google` with `auth: google`.

Source: https://ai.google.dev/api/generate-content
"""

from collections.abc import Mapping
from urllib.parse import quote

from harness.dialects.api_key_header import key_header
from harness.dialects.dialect import StreamDecoder, WireTarget
from harness.dialects.gemini.models import GeminiQuirks
from harness.dialects.gemini.reply import reply_of
from harness.dialects.gemini.request import request_body, rules_of
from harness.dialects.gemini.stream import GeminiStream, response_of
from harness.dialects.provider_errors import error_of_response
from harness.dialects.wire import WireRequest, WireResponse
from harness.dialects.wire_rules import WireRules
from harness.exceptions import ProviderError
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import ModelReply, ModelRequest, Origin


class Gemini:
    """The `Dialect` of generateContent; it has no state."""

    def rules(self, model: Model, endpoint: Endpoint) -> WireRules:
        """What this endpoint accepts of a conversation; see `Dialect`."""
        return rules_of(GeminiQuirks.of(model.endpoint, endpoint))

    def encode(self, request: ModelRequest, target: WireTarget, *, stream: bool) -> WireRequest:
        """The request as bytes; see `Dialect`.

        Raises:
            ConfigurationInvalid: the endpoint has a quirk that this dialect does not know.
            KeyRefused: the key holds characters that no HTTP header can.
        """
        quirks = GeminiQuirks.of(target.model.endpoint, target.endpoint)
        body = request_body(request, target.model, quirks, target.origin)
        return gemini_post(target, "streamGenerateContent?alt=sse" if stream else "generateContent", body)

    def decode(self, response: WireResponse, origin: Origin) -> ModelReply:
        """The reply of a 2xx answer, also of one that is a list of chunks; see `Dialect`.

        Raises:
            Broken: it cannot be read.
            ProviderError: it carries an error instead of candidates.
        """
        return reply_of(response_of(response, origin.endpoint), response.headers, origin)

    def stream_decoder(self, origin: Origin, headers: Mapping[str, str]) -> StreamDecoder:
        """A decoder for one streamed answer; see `Dialect`."""
        return GeminiStream(origin, headers)

    def error(self, response: WireResponse, endpoint_name: str) -> ProviderError:
        """What a non-2xx answer means; never raises."""
        return error_of_response(endpoint_name, response)


def gemini_post(target: WireTarget, method: str, body: bytes) -> WireRequest:
    """A call of one of a model's methods; the key goes into a header, never into the address.

    Raises:
        KeyRefused: the key holds characters that no HTTP header can.
    """
    streamed = "alt=sse" in method
    return WireRequest(
        method="POST",
        url=f"{target.base_url.rstrip('/')}/{quote(model_path(target.model), safe='/:@')}:{method}",
        headers={
            "content-type": "application/json",
            "accept": "text/event-stream" if streamed else "application/json",
            **key_header(target, "x-goog-api-key"),
        },
        body=body,
        timeout_seconds=target.endpoint.timeout_seconds,
    )


def model_path(model: Model) -> str:
    """Where a model stands in its collection; a name that says it, such as `tunedModels/x`, stays as it is."""
    named = model.wire_name.startswith(("models/", "tunedModels/"))
    return model.wire_name if named else f"models/{model.wire_name}"
