"""Writes a new project: the files beside this module, with the project's name in them, and the JSON Schemas.

The schemas are copied into the project, because an editor reads `$schema` relative to the file, and where this
package is installed differs from machine to machine. After an upgrade `harness init` in an empty folder brings the
newer ones.
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.exceptions import ConfigurationInvalid

# In the package, and in the project. A hidden file in a package is easily lost, so they have other names there.
_FILES = {
    "harness.yaml": "harness.yaml",
    "workflow.yaml": "workflow.yaml",
    "bindings.yaml": "bindings.yaml",
    "replies.yaml": "replies.yaml",
    "prompts/draft.md": "prompts/draft.md",
    "prompts/review.md": "prompts/review.md",
    "gitignore": ".gitignore",
}
_SCHEMAS = ("harness.schema.json", "workflow.schema.json")
_SCHEMA_FOLDER = ".schemas"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}")
_PLACEHOLDER = "PROJECT_NAME"


def write_project(folder: Path) -> list[Path]:
    """Write a project into a folder that does not exist yet or is empty; its last part names the workflow.

    Raises:
        ConfigurationInvalid: the name cannot be a workflow's, or something is there already; nothing was written.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise _refused(folder, "a project's name has letters, digits, - and _, and begins with a letter")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise _refused(folder, "it is there already and nothing is ever overwritten: name a new folder")
    written: list[Path] = []
    for source, target in _FILES.items():
        text = _read(files("harness.templates").joinpath("files", *source.split("/")))
        written.append(_write(folder / target, text.replace(_PLACEHOLDER, name)))
    for schema in _SCHEMAS:
        text = _read(files("harness.schemas").joinpath(schema))
        written.append(_write(folder / _SCHEMA_FOLDER / schema, text))
    return written


def _refused(folder: Path, remedy: str) -> ConfigurationInvalid:
    return ConfigurationInvalid("project", str(folder), "the command line", remedy)


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path
