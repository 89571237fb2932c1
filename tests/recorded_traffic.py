"""Real exchanges with vendors that somebody recorded; they lie beside the project and are never part of it."""

import base64
import json
import os
from functools import cache
from pathlib import Path

import pytest

from harness.dialects.wire import WireResponse


def vendors_folder():
    shared = os.environ.get("HARNESS_SHARED")
    root = Path(shared) if shared else Path(__file__).resolve().parents[2] / "shared"
    return root / "data" / "vendors"


def recorded(*apis, vendors=None):
    """Every recorded exchange of these endpoint kinds (of these vendors alone), or the test is skipped."""
    return [
        record
        for record in _records("[a-eg-z]*.jsonl")
        if record["api"] in apis and (vendors is None or record["vendor"] in vendors)
    ]


def faults():
    """The failures of all vendors, by name."""
    return {record["name"]: record for record in _records("faults.jsonl")}


def response_of(record):
    """The recorded answer as a transport would hand it over."""
    return WireResponse(record["status"], record["response_headers"], body_of(record))


def body_of(record):
    """The recorded body's bytes."""
    if record.get("body_b64"):
        return base64.b64decode(record["body_b64"])
    return (record.get("body") or "").encode()


@cache
def _read(pattern):
    return [
        json.loads(line)
        for path in sorted(vendors_folder().glob(pattern))
        for line in path.read_text("utf-8").split("\n")
        if line
    ]


def _records(pattern):
    folder = vendors_folder()
    if not folder.is_dir():
        pytest.skip(f"no recorded traffic at {folder}: set HARNESS_SHARED to the folder that holds data/vendors")
    return _read(pattern)
