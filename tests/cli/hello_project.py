"""A copy of the hello example with a home of its own, and the real command line run on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness.assembly import Harness
from harness.project import load_project
from harness.settings import Settings
from tests.cli.said import REPOSITORY, Said, said_here

ONTOLOGY = REPOSITORY / "tests" / "ontology" / "licences.yaml"


class HelloProject:
    def __init__(self, folder: Path, *, ontology: bool = False) -> None:
        self.folder = folder / "hello"
        shutil.copytree(
            REPOSITORY / "examples" / "hello_workflow", self.folder, ignore=shutil.ignore_patterns(".harness")
        )
        if ontology:
            shutil.copy(ONTOLOGY, self.folder / "ontology.yaml")
            with (self.folder / "harness.yaml").open("a", encoding="utf-8") as file:
                file.write("ontology: ontology.yaml\n")
        self.home = folder / "home"
        self.bindings = self.folder / "bindings.yaml"

    def say(self, *words: str, person: str = "ada") -> Said:
        """Run the console script in this process."""
        return said_here(self._arguments(words, person))

    def start(self, *words: str, person: str = "ada") -> subprocess.Popen:
        """Run it in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", *self._arguments(words, person)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def house(self, person: str = "ada") -> Harness:
        """The parts that a process of this project works with."""
        settings = Settings(home=self.home, person=person, zone="Europe/Berlin")
        return Harness(settings, load_project(self.folder / "harness.yaml"))

    def _arguments(self, words, person):
        return [*words, "--project", str(self.folder), "--home", str(self.home), "--as", person]
