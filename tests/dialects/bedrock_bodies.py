"""Amazon's own model of the wire, and frames made and read without our code."""

import base64
import binascii
import json
import re
import struct
from functools import cache

import pytest


def frames_of(body):
    """(headers, payload) of each frame of an event stream, read after the published layout."""
    found, at = [], 0
    while at < len(body):
        length, header_length = struct.unpack_from(">II", body, at)
        headers, place = {}, at + 12
        while place < at + 12 + header_length:
            size = body[place]
            name = body[place + 1 : place + 1 + size].decode()
            place += 1 + size
            assert body[place] == 7
            (size,) = struct.unpack_from(">H", body, place + 1)
            headers[name] = body[place + 3 : place + 3 + size].decode()
            place += 3 + size
        found.append((headers, json.loads(body[at + 12 + header_length : at + length - 4])))
        at += length
    return found


def frame(event, payload, kind="event"):
    """A frame's bytes."""
    key = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}[kind]
    texts = {key: event, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in texts.items()
    )
    content = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(content), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + content
    return message + struct.pack(">I", binascii.crc32(message))


def complaints(body, model_id="m"):
    """What Amazon's model has against the body of a Converse request, with what botocore does not look at: unknown
    members, patterns, enumerations, longest texts, and one member of a union."""
    validate = pytest.importorskip("botocore.validate", reason="botocore is not installed")
    shape = _converse_input()
    params = {"modelId": model_id, **body}
    found = []
    typed = _checked(params, shape, "", found)
    report = validate.ParamValidator().validate(typed, shape)
    return found + ([report.generate_report()] if report.has_errors() else [])


@cache
def _converse_input():
    loaders = pytest.importorskip("botocore.loaders", reason="botocore is not installed")
    model = pytest.importorskip("botocore.model", reason="botocore is not installed")
    service = model.ServiceModel(loaders.Loader().load_service_model("bedrock-runtime", "service-2"))
    return service.operation_model("Converse").input_shape


def _checked(value, shape, path, found):
    """The value with its blobs as bytes; what is wrong with it is added to `found`."""
    if shape.type_name == "structure" and not shape.is_document_type:
        unknown = set(value) - set(shape.members)
        found += [f"{path}: unknown {sorted(unknown)}"] if unknown else []
        found += [f"{path}: {len(value)} members of a union"] if shape.is_tagged_union and len(value) != 1 else []
        return {k: _checked(v, shape.members[k], f"{path}.{k}", found) for k, v in value.items() if k not in unknown}
    if shape.type_name == "list":
        return [_checked(item, shape.member, f"{path}[{n}]", found) for n, item in enumerate(value)]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "string":
        pattern, most = shape.metadata.get("pattern"), shape.metadata.get("max")
        found += [f"{path}: {value!r} outside {pattern}"] if pattern and not re.search(f"^({pattern})$", value) else []
        found += [f"{path}: longer than {most}"] if most and len(value) > most else []
        found += [f"{path}: {value!r} is none of {shape.enum}"] if shape.enum and value not in shape.enum else []
    return value
