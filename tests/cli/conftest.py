"""The real command line on small projects that tests write, in this process or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.said import REPOSITORY, Said, ended, said_here

HARNESS = "workflows: {greet: workflow.yaml}\nbindings: bindings.yaml\n"
WORKFLOW = """\
workflow: greet
inputs: [guest, times, tags]
state:
  guest: {type: string, default: world}
  times: {type: integer, default: 1}
  tags: {type: array, default: []}
  greeting: {type: string}
nodes:
  write: {kind: model, role: writer, prompt: write.md, max_output_tokens: 20, output: greeting, retry: {attempts: 1}}
start: write
"""
BINDINGS = """\
bindings: [{role: writer, model: scripted}]
endpoints: {scripted: {scripted_replies: replies.yaml}}
models:
  scripted:
    endpoint: scripted
    wire_name: scripted
    context_tokens: 8192
    capabilities: [json_schema]
    price: {input_usd_per_million: 1, output_usd_per_million: 2, source: made up, checked: 2026-11-24}
"""
PROMPTS = ("write", "ask")
REPLIES = "replies: [{text: Hello, usage: {input: 10, output: 5}}]\n"


class Cli:
    """Runs `harness` in a folder, as `ada`, with nothing of this machine's own settings."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HARNESS_", "NO_COLOR", "XDG_"))
        } | {"PYTHONPATH": str(REPOSITORY), "HOME": str(home), "HARNESS_PERSON": "ada", "TZ": "UTC"}

    def write(self, **files: str) -> None:
        for name, text in files.items():
            ending = "md" if name in PROMPTS else "yaml"
            (self.folder / f"{name}.{ending}").write_text(text, encoding="utf-8")

    def start(self, *words: str, **environment: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", *words],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, **environment: str) -> Said:
        """Run it in this process, which is much quicker: as in one of its own, but for what it has imported."""
        with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
            patch.chdir(self.folder)
            for name in os.environ.keys() - self.environment.keys():
                patch.delenv(name)
            for name, value in (self.environment | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", nothing)
            return said_here(words)

    def elsewhere(self, *words: str, **environment: str) -> Said:
        """Run it in a process of its own, to its end."""
        return ended(self.start(*words, **environment))


@pytest.fixture
def empty(tmp_path):
    """A folder without a project."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Cli(folder, tmp_path)


@pytest.fixture
def greet(empty):
    """A project of one model node on scripted replies."""
    empty.write(
        harness=HARNESS, workflow=WORKFLOW, bindings=BINDINGS, replies=REPLIES, write="Greet {{ guest }} kindly."
    )
    return empty
