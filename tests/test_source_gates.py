"""What the product's source must never hold, whatever a reviewer missed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for package in ("ontology", "memory", "harness") for path in sorted((ROOT / package).rglob("*.py"))]
FORBIDDEN_MODULES = {
    "pickle": "makes objects that data name",
    "cPickle": "makes objects that data name",
    "marshal": "makes code out of data",
    "shelve": "is pickle",
    "dill": "is pickle",
    "cloudpickle": "is pickle",
    "ormsgpack": "LangGraph's typed msgpack makes objects that data name",
    "msgpack": "the same",
    "sqlite3": "is a second build of SQLite beside the checked one",
    "langchain_core.load": "makes objects that data name (CVE-2025-68664)",
    "langgraph.checkpoint.serde.jsonplus": "makes objects that data name (CVE-2026-28277)",
    "yaml": "ontology.yaml_nodes reads YAML, without tags",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(source: str) -> list[str]:
    tree = ast.parse(source)
    found = [
        f"imports {name}: {why}"
        for name in imports_of(tree)
        for module, why in FORBIDDEN_MODULES.items()
        if name == module or name.startswith(f"{module}.")
    ]
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = (node.func for node in calls if isinstance(node.func, ast.Name))
    return found + [f"line {name.lineno}: calls {name.id}" for name in names if name.id in FORBIDDEN_CALLS]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_data_becomes_code_or_objects(path):
    assert offences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "from langchain_core.load import load",
        "eval('1')",
        "import sqlite3",
    ],
)
def test_the_gate_sees_what_it_is_there_for(source):
    assert offences(source)
