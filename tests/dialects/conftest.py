import base64
import json
import os
from pathlib import Path

import pytest

from harness.dialects.wire import WireResponse


def _vendors_folder():
    shared = os.environ.get("HARNESS_SHARED")
    root = Path(shared) if shared else Path(__file__).resolve().parents[3] / "shared"
    return root / "data" / "vendors"


def _body(record):
    if record.get("body_b64"):
        return base64.b64decode(record["body_b64"])
    return (record.get("body") or "").encode()


def _response(record):
    return WireResponse(record["status"], record["response_headers"], _body(record))


@pytest.fixture(scope="session")
def response_of():
    """The recorded answer as a transport would hand it over."""
    return _response


@pytest.fixture(scope="session")
def recorded_chats():
    """Every recorded exchange of the chat completions wire."""
    return [record for record in _records("[a-eg-z]*.jsonl") if record["api"] == "openai.chat"]


@pytest.fixture(scope="session")
def recorded_faults():
    """The failures of all vendors, by name."""
    return {record["name"]: record for record in _records("faults.jsonl")}


def _records(pattern):
    folder = _vendors_folder()
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder}: set HARNESS_SHARED to the folder that holds data/vendors")
    return [
        json.loads(line)
        for path in sorted(folder.glob(pattern))
        for line in path.read_text("utf-8").split("\n")
        if line
    ]
