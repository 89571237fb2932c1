"""Every block of the page on models is one that can be used as it stands."""

import re
from pathlib import Path

import pytest

from harness.dialects.known_dialects import DIALECTS
from harness.exceptions import __all__ as exceptions
from harness.models.catalogue import Capability, DialectName, builtin_catalogue
from harness.routing.bindings import read_bindings
from harness.routing.decision import decide
from ontology.yaml_documents import parse_yaml

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_a_bindings_file_whose_endpoints_the_dialects_take(block, tmp_path):
    path = tmp_path / "bindings.yaml"
    path.write_text(block, encoding="utf-8")
    read = read_bindings(path, builtin_catalogue())
    catalogue = read.catalogue(builtin_catalogue())
    assert parse_yaml(block, name="block").value
    for binding in read.bindings:
        assert decide(binding, catalogue, version=1).targets
    for name, endpoint in read.endpoints.items():
        model = next((m for m in read.models.values() if m.endpoint == name), builtin_catalogue().models["gpt-5-mini"])
        DIALECTS[endpoint.dialect].rules(model, endpoint)


def test_the_order_that_the_page_tells_is_the_order_that_is_tried(tmp_path):
    path = tmp_path / "bindings.yaml"
    path.write_text(next(block for block in BLOCKS if "also_at" in block), encoding="utf-8")
    read = read_bindings(path, builtin_catalogue())
    (binding,) = read.bindings
    targets = decide(binding, read.catalogue(builtin_catalogue()), version=1).targets
    assert [t.endpoint_name if t.model_name == "claude" else t.model_name for t in targets] == [
        "eu",
        "anthropic",
        "gpt-5-mini",
        "gpt-5-nano",
    ]


def test_every_dialect_class_of_failure_and_capability_is_named():
    for name in (*DialectName, *Capability):
        assert f"`{name}`" in TEXT, name
    table = TEXT[TEXT.index("## When a call fails") :]
    named = set(re.findall(r"`([A-Z]\w+)`", table)) - {"SwapReport"}
    assert named <= set(exceptions)
