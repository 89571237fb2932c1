"""The published JSON Schemas say what the models say."""

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from harness.schemas.published import PUBLISHED, schema_path, schema_text
from ontology.yaml_documents import parse_yaml


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_file_is_what_the_models_say(name: str):
    printed = subprocess.run(
        [sys.executable, "-m", "harness.schemas", name], capture_output=True, check=True, text=True
    )

    assert printed.stdout == schema_text(name)
    assert schema_path(name).read_text(encoding="utf-8") == printed.stdout, "run `python -m harness.schemas --write`"


def test_a_name_that_is_not_published_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "harness.schemas", "other"], capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_schema_is_one(name: str):
    Draft202012Validator.check_schema(json.loads(schema_text(name)))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("{workflow: w, start: a, nodes: {a: {kind: tool, tool: t}}, edges: [{from: a, to: end}]}", True),
        ("{workflow: w, start: [a], nodes: {a: {kind: tool, tool: t}}, edges: [{from: a, to: [end]}]}", True),
        ("{workflow: w, start: a, nodes: {a: {kind: tool, toll: t}}}", False),
        ("{workflow: w, start: [], nodes: {a: {kind: tool, tool: t}}}", False),
    ],
)
def test_an_editor_takes_the_workflows_that_the_harness_takes(text: str, right: bool):
    validator = Draft202012Validator(json.loads(schema_text("workflow")))

    assert validator.is_valid(parse_yaml(text, name="w").value) is right
