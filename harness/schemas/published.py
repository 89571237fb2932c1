"""The published JSON Schemas, from the models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.project import ProjectFile
from harness.workflow.spec import WorkflowSpec

FOLDER = Path(__file__).parent

PUBLISHED: Mapping[str, type[BaseModel]] = {"workflow": WorkflowSpec, "harness": ProjectFile}


def schema_path(name: str) -> Path:
    """The published file."""
    return FOLDER / f"{name}.schema.json"


def schema_text(name: str) -> str:
    """What the published file of a model holds."""
    schema = PUBLISHED[name].model_json_schema(by_alias=True)
    if name == "workflow":
        _allow_one_name(schema["properties"], "start")
        _allow_one_name(schema["$defs"]["Edge"]["properties"], "to")
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _allow_one_name(properties: dict[str, Any], key: str) -> None:
    """Say what a validator of the model takes too, and pydantic cannot see: one name in place of a list of one."""
    listed = properties[key]
    if listed.get("type") == "array":
        properties[key] = {"title": listed.pop("title"), "anyOf": [listed["items"], listed]}
