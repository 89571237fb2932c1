"""The header that carries an endpoint's key."""

from harness.dialects.dialect import WireTarget
from harness.exceptions import KeyRefused


def key_header(target: WireTarget, name: str) -> dict[str, str]:
    """The header of this name with the target's key; `authorization` takes it as a bearer token; empty without a key.

    Raises:
        KeyRefused: the key holds characters that no HTTP header can.
    """
    key = target.api_key.get_secret_value().strip() if target.api_key is not None else ""
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        # Said here, because the HTTP library's own error would show the key.
        message = "the key holds characters that no HTTP header can: set it again, on one line"
        raise KeyRefused(target.model.endpoint, message)
    return {name: f"Bearer {key}" if name == "authorization" else key}
