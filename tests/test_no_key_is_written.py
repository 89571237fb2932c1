"""The suite itself: a test that leaves a made-up key in a file of its folder fails, unless it says it means to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KEY = '("sk-test-" + "canary-of-one")'

TEST = """
import base64
import pytest

@pytest.mark.plants_keys
def test_on_purpose(tmp_path):
    (tmp_path / "said").write_text(KEY)

def test_its_own_file(tmp_path):
    (tmp_path / "there.key").write_text(KEY)

def test_nothing(tmp_path):
    (tmp_path / "said").write_text("sk-test")

@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "said.json").write_text("{'key': '%s'}" % KEY)

def test_left_by_a_fixture(folder):
    pass

def test_in_base64(tmp_path):
    (tmp_path / "said").write_bytes(base64.b64encode(KEY.encode()))
""".replace("KEY", KEY)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_it.py").write_text(TEST)
    words = [
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        f"--basetemp={folder}/tmp",
    ]
    return subprocess.run(
        [sys.executable, *words, "-p", "no:cacheprovider", "-rA", str(folder / "test_it.py")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_what_leaves_a_key_fails_with_its_file(said):
    assert "5 passed, 2 errors" in said
    for name, file in (("test_left_by_a_fixture", "deep/said.json"), ("test_in_base64", "said")):
        assert f"ERROR test_it.py::{name} - AssertionError: a key is in" in said
        assert file in said


def test_what_means_to_or_writes_a_file_of_a_key_does_not(said):
    for name in ("test_on_purpose", "test_its_own_file", "test_nothing"):
        assert f"ERROR test_it.py::{name}" not in said
