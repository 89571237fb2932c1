"""A workflow read from its folder: the specification, every file and workflow it names, and one digest over all of it.

Files are read once, here: a run stores what was loaded, so that resuming needs no file and a change on disk cannot
reach a run that has begun. Whether what was loaded makes sense is left to `checks.py`.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import cast

from pydantic import ValidationError

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.json_values import Json, JsonObject, digest_of
from harness.names import nearest_names
from harness.workflow.node_kinds import AgentNode, HumanNode, MapNode, ModelNode, PlanNode, WorkflowNode, WorkNode
from harness.workflow.spec import WorkflowSpec
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, parse_yaml, validation_problems

MAX_FILE_BYTES = 1_000_000
FORMAT = 1

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class LoadedWorkflow:
    """A workflow that needs no file any more.

    Args:
        name: what messages call the workflow's file, usually its path; empty where Python wrote the specification.
        text: the file as it was written; only places in messages are taken from it.
        files: the contents of the files that the specification names, by the name it uses.
        digest: over the specification's meaning, the files and the workflows; comments and spelled-out defaults do
            not change it.
        workflows: those that are steps of it, and of them, by the name that the project registers.
    """

    spec: WorkflowSpec
    name: str
    text: str = field(repr=False)
    files: Mapping[str, str] = field(repr=False)
    digest: str
    workflows: "Mapping[str, LoadedWorkflow]" = field(default_factory=dict[str, "LoadedWorkflow"], repr=False)

    @cached_property
    def document(self) -> YamlDocument:
        """The file with the place of every key."""
        return parse_yaml(self.text, name=self.name)

    def file_place(self, named: str) -> str:
        """What messages call a file that the specification names."""
        return str(Path(self.name).parent / named)

    def step_workflow(self, name: str) -> "LoadedWorkflow":
        """A workflow that is a step of this one, with all that it needs itself.

        Raises:
            NameUnknown: it was loaded without one of this name.
        """
        if name not in self.workflows:
            raise NameUnknown("workflow", name, nearest_names(name, self.workflows))
        return replace(self.workflows[name], workflows=self.workflows)

    def to_json(self) -> JsonObject:
        """What a run stores.

        The specification is written out with its defaults, so that a later version with other defaults runs it
        as it was.
        """
        return {**_own_json(self), "workflows": {name: _own_json(each) for name, each in self.workflows.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "LoadedWorkflow":
        """What a run stored; the digest stays the one it was stored with.

        Raises:
            SpecificationInvalid: it was stored in a format this version does not read.
        """
        try:
            if value["format"] != FORMAT:
                raise SpecificationInvalid([f"stored workflow: format {value['format']!r} is not known: upgrade"])
            files = cast("Mapping[str, object]", value["files"])
            # Older runs have no workflows as steps, and say nothing of them.
            steps = cast("Mapping[str, Mapping[str, object]]", value.get("workflows", {}))
            return cls(
                spec=WorkflowSpec.model_validate(value["spec"]),
                name=str(value["name"]),
                text=str(value["text"]),
                files={name: str(content) for name, content in files.items()},
                digest=str(value["digest"]),
                workflows={name: cls.from_json(each) for name, each in steps.items()},
            )
        except (KeyError, AttributeError, ValidationError) as error:
            raise SpecificationInvalid([f"stored workflow: cannot be read: {error}"]) from error


def _own_json(loaded: LoadedWorkflow) -> JsonObject:
    return {
        "format": FORMAT,
        "name": loaded.name,
        "text": loaded.text,
        "files": cast("Json", dict(loaded.files)),
        "digest": loaded.digest,
        "spec": loaded.spec.model_dump(mode="json", by_alias=True),
    }


def load_workflow(path: Path, workflows: Mapping[str, Path] | None = None) -> LoadedWorkflow:
    """Read a workflow, the files it names and the workflows that are its steps.

    Args:
        workflows: the file of each workflow that can be a step; one that is not there is left to the check.

    Raises:
        SpecificationInvalid: a file cannot be read, is not a workflow, or names a file that cannot be had, which is
            inside its own folder; or a workflow would come to run itself.
    """
    return _Loading(dict(workflows or {})).load(path, {})


def workflow_from_spec(
    spec: WorkflowSpec,
    files: Mapping[str, str] | None = None,
    workflows: Mapping[str, LoadedWorkflow] | None = None,
) -> LoadedWorkflow:
    """A workflow that Python wrote, with the contents of the files and the workflows it names."""
    held, steps = dict(files or {}), dict(workflows or {})
    return LoadedWorkflow(spec, "", "", held, workflow_digest(spec, held, steps), steps)


def workflow_digest(
    spec: WorkflowSpec, files: Mapping[str, str], workflows: Mapping[str, LoadedWorkflow] | None = None
) -> str:
    """SHA-256 over what the workflow says; a key added to the format later does not change it for older files."""
    meaning = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    steps = {name: each.digest for name, each in (workflows or {}).items()}
    return digest_of({"spec": meaning, "files": dict(files), **({"workflows": steps} if steps else {})})


def named_workflows(spec: WorkflowSpec) -> Iterator[tuple[KeyPath, str]]:
    """Every workflow that the specification names as a step, with the key that names it."""
    for name, node in spec.work.items():
        below = _below(spec, name)
        if isinstance(node, WorkflowNode):
            yield (*below, "workflow"), node.workflow
        elif isinstance(node, PlanNode):
            for worker, each in node.workers.items():
                if each.workflow is not None:
                    yield (*below, "workers", worker, "workflow"), each.workflow


class _Loading:
    """Reads one workflow and, once each, those that are its steps."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._loaded: dict[Path, LoadedWorkflow] = {}

    def load(self, path: Path, above: Mapping[Path, str]) -> LoadedWorkflow:
        """A workflow; `above`: those that it is a step of, from the outermost, by their files."""
        place = path.resolve()
        if place not in self._loaded:
            document, text, spec = _read(path)
            files = _files_of(path, document, spec)
            steps = self._steps(document, spec, {**above, place: spec.workflow})
            digest = workflow_digest(spec, files, steps)
            self._loaded[place] = LoadedWorkflow(spec, str(path), text, files, digest, steps)
        return self._loaded[place]

    def _steps(
        self, document: YamlDocument, spec: WorkflowSpec, above: Mapping[Path, str]
    ) -> Mapping[str, LoadedWorkflow]:
        found: dict[str, LoadedWorkflow] = {}
        for key_path, name in named_workflows(spec):
            path = self._paths.get(name)
            if path is None:
                continue
            if path.resolve() in above:
                way = " -> ".join([*above.values(), above[path.resolve()]])
                reason = f"{name!r} would come to run itself ({way}): take one of these steps out"
                raise SpecificationInvalid([document.problem(key_path, reason)])
            loaded = self.load(path, above)
            found |= {name: replace(loaded, workflows={}), **loaded.workflows}
        return found


def _read(path: Path) -> tuple[YamlDocument, str, WorkflowSpec]:
    """A workflow's own file."""
    name = str(path)
    try:
        text = _text_of(path)
        document = parse_yaml(text, name=name)
    except _FileRefused as refused:
        raise SpecificationInvalid([f"{name}:1:1: {refused}"]) from refused
    except YamlInvalid as invalid:
        raise SpecificationInvalid(invalid.problems) from invalid
    try:
        return document, text, WorkflowSpec.model_validate(document.value)
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, WorkflowSpec)) from error


def _files_of(path: Path, document: YamlDocument, spec: WorkflowSpec) -> dict[str, str]:
    files: dict[str, str] = {}
    problems: list[str] = []
    for key_path, named in named_files(spec):
        try:
            files.setdefault(named, _text_of(_inside(path.parent, named)))
        except _FileRefused as refused:
            problems.append(document.problem(key_path, f"{named!r} {refused}"))
    if problems:
        raise SpecificationInvalid(problems)
    return files


def named_files(spec: WorkflowSpec) -> Iterator[tuple[KeyPath, str]]:
    """Every file that the specification names, with the key that names it."""
    for name, node in spec.work.items():
        for key, value in _named_by(node).items():
            if value is not None:
                yield (*_below(spec, name), *key), value


def _below(spec: WorkflowSpec, name: str) -> KeyPath:
    """Where the keys of what a node runs stand: those of a map's are within it."""
    return ("nodes", name, "node") if isinstance(spec.nodes[name], MapNode) else ("nodes", name)


def _named_by(node: WorkNode) -> dict[KeyPath, str | None]:
    """The files of one node, by key; a schema may stand in place instead."""
    match node:
        case ModelNode() | AgentNode():
            examples = node.examples if isinstance(node, ModelNode) else None
            return {
                ("prompt",): node.prompt,
                ("system",): node.system,
                ("examples",): examples,
                ("schema",): node.output_schema if isinstance(node.output_schema, str) else None,
            }
        case HumanNode():
            return {
                ("question",): node.question,
                ("answer",): node.answer if isinstance(node.answer, str) else None,
            }
        case PlanNode():
            of_workers: dict[KeyPath, str | None] = {}
            for worker, each in node.workers.items():
                of_workers |= {("workers", worker, "prompt"): each.prompt, ("workers", worker, "system"): each.system}
            return {("prompt",): node.prompt, ("system",): node.system} | of_workers
        case _:
            return {}


class _FileRefused(Exception):
    """A named file that is not read; the text says why and what mends it."""


def _inside(folder: Path, named: str) -> Path:
    """The file of a name in a folder; links are followed and must end inside it too."""
    pure = PurePosixPath(named)
    if not named or "\\" in named or ":" in named or "\0" in named or pure.is_absolute() or ".." in pure.parts:
        raise _FileRefused("leaves the workflow's folder: name a file inside it, with `/` between the parts")
    try:
        root = folder.resolve(strict=True)
        found = (root / pure).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise _FileRefused(f"cannot be read: {_words(error)}") from error
    if not found.is_relative_to(root):
        raise _FileRefused("is a link that leaves the workflow's folder: copy the file into it")
    return found


def _text_of(path: Path) -> str:
    """The text of a UTF-8 file of bounded size; only regular files, because a pipe would never end."""
    try:
        if not path.is_file():
            raise _FileRefused("is not a file" if path.exists() else "cannot be read: there is no such file")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _FileRefused(f"cannot be read: {_words(error)}") from error
    if len(data) > MAX_FILE_BYTES:
        raise _FileRefused(f"is larger than {MAX_FILE_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _FileRefused(
            f"is not UTF-8: byte 0x{data[error.start]:02x} on line {line}: save the file as UTF-8"
        ) from error


def _words(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
