"""Where an endpoint of OpenAI's wires is asked, and with which key: Azure's deployments stand in the path."""

from urllib.parse import quote

from harness.dialects.api_key_header import key_header
from harness.dialects.dialect import WireTarget
from harness.dialects.openai_chat.quirks import OpenAIChatQuirks
from harness.dialects.wire import WireRequest


def post_of(target: WireTarget, quirks: OpenAIChatQuirks, path: str, body: bytes, *, accept: str) -> WireRequest:
    """A body for the path below the endpoint's address.

    Args:
        path: `{model}` in it is the wire name.

    Raises:
        KeyRefused: the key holds characters that no HTTP header can.
    """
    there = path.replace("{model}", quote(target.model.wire_name, safe=""))
    query = f"?{quirks.query}" if quirks.query else ""
    headers = {
        "content-type": "application/json",
        "accept": accept,
        **key_header(target, quirks.api_key_header or "authorization"),
    }
    url = f"{target.base_url.rstrip('/')}/{there}{query}"
    return WireRequest("POST", url, headers, body, target.endpoint.timeout_seconds)
