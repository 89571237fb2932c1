"""The built wheel is the product: everything it needs is in it, and nothing that is not ours."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "memory", "ontology")
NOT_CODE = ("*.yaml", "*.json", "*.md", "py.typed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> dict[str, str]:
    """The environment of a process that has the wheel's files before this checkout's."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), "LOGNAME": "reader"}


def harness(installed, folder, *arguments):
    run = "from harness.cli.main import run; run()"
    return subprocess.run(
        [sys.executable, "-c", run, *arguments], cwd=folder, env=installed, capture_output=True, text=True, check=False
    )


def test_holds_every_file_of_the_three_packages_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == ours
    assert {name.partition("/")[0] for name in held} == set(PACKAGES)


def test_a_project_made_by_the_installed_wheel_runs(installed, tmp_path):
    where = subprocess.run(
        [sys.executable, "-c", "import harness; print(harness.__file__)"],
        cwd=tmp_path,
        env=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(installed["PYTHONPATH"])
    assert harness(installed, tmp_path, "init", "first").returncode == 0
    done = harness(installed, tmp_path / "first", "run", "first")
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stderr
