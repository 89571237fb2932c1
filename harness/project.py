"""A project: the folder of a `harness.yaml`, which names its workflows, its files and its tools and code.

A workflow calls tools and code by the names registered here, never by an import path, so that a workflow file stays
data. Nothing is imported until `resolve_callable`; what a setting means is left to `settings.py`.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.names import nearest_names
from harness.tools.declarations import ToolDeclaration
from harness.workflow.checking.registry import Registry
from harness.workflow.spec_values import Name
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, read_yaml, validation_problems

PROJECT_FILE = "harness.yaml"
TOOL_GROUP = "harness.tools"
CODE_GROUP = "harness.code"
_PACKAGE_PREFIX = "_harness_project_"

CallablePath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", max_length=200)]


_Read = TypeVar("_Read", bound=BaseModel)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SettingsBlock(_File):
    """Settings as a file may give them; `harness.settings` says what they mean and which file counts."""

    organisation: str | None = None
    person: str | None = None
    home: str | None = None
    database_url: str | None = None
    zone: str | None = None
    durability: str | None = None
    log_level: str | None = None
    no_progress: bool | None = None


class ProjectFile(_File):
    """What a `harness.yaml` may say; paths are relative to its folder.

    Args:
        tools: names of tools, each with `module:function` in the project's folder.
        code: the same for the callables of code nodes.
    """

    settings: SettingsBlock = Field(default_factory=SettingsBlock)
    workflows: dict[Name, str] = Field(default_factory=dict)
    bindings: str | None = None
    prices: str | None = None
    ontology: str | None = None
    tools: dict[Name, CallablePath] = Field(default_factory=dict)
    code: dict[Name, CallablePath] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        both = sorted(self.tools.keys() & self.code.keys())
        if both:
            raise ValueError(f"{both[0]!r} is registered under `tools` and under `code`: rename one")
        return self


@dataclass(frozen=True)
class Project:
    """A folder with a `harness.yaml`.

    Args:
        document: the file with the place of every key.
    """

    folder: Path
    file: ProjectFile
    document: YamlDocument

    def workflow_path(self, name: str) -> Path:
        """The file of a workflow.

        Raises:
            NameUnknown: the project has no workflow of this name.
        """
        if name not in self.file.workflows:
            raise NameUnknown("workflow", name, nearest_names(name, self.file.workflows))
        return self.folder / self.file.workflows[name]

    @property
    def bindings_path(self) -> Path | None:
        """The file that seeds the bindings, if there is one."""
        return self._path(self.file.bindings)

    @property
    def prices_path(self) -> Path | None:
        """The file of price overrides, if there is one."""
        return self._path(self.file.prices)

    @property
    def ontology_path(self) -> Path | None:
        """The file of the ontology's types, if there is one."""
        return self._path(self.file.ontology)

    def registry_names(self) -> frozenset[str]:
        """The names of all tools and code: the project's own and those of installed packages. Imports nothing."""
        return frozenset({*self.file.tools, *self.file.code, *self._installed})

    def registry(self) -> Registry:
        """What workflows of this project may name. Imports nothing."""
        installed = frozenset(self._installed)
        return Registry(
            code=frozenset(self.file.code) | installed,
            tools={name: ToolDeclaration(name) for name in (*installed, *self.file.tools)},
            workflows=frozenset(self.file.workflows),
        )

    def resolve_callable(self, name: str) -> Callable[..., Any]:
        """The tool or code of a name; the project's own goes before one of an installed package.

        Its module is imported as a part of a private package that stands for the project's folder, so that it can
        import its neighbours relatively, two projects can have modules of one name, and `sys.path` stays as it is.

        Raises:
            NameUnknown: nothing is registered under this name.
            SpecificationInvalid: what is registered cannot be imported, or cannot be called.
        """
        own = self.file.tools.get(name) or self.file.code.get(name)
        if own is not None:
            block = "tools" if name in self.file.tools else "code"
            return _called(lambda: self._own(own), own, self.document.problem((block, name), "").removesuffix(": "))
        installed = self._installed.get(name)
        if installed is None:
            raise NameUnknown("tool or code", name, nearest_names(name, self.registry_names()))
        place = f"entry point {name!r} of {installed.dist.name if installed.dist else 'an installed package'}"
        return _called(installed.load, installed.value, place)

    def _path(self, relative: str | None) -> Path | None:
        return None if relative is None else self.folder / relative

    @cached_property
    def _installed(self) -> Mapping[str, EntryPoint]:
        groups = (entry_points(group=CODE_GROUP), entry_points(group=TOOL_GROUP))
        return {each.name: each for group in groups for each in group}

    def _own(self, path: str) -> object:
        module, _, function = path.partition(":")
        return getattr(importlib.import_module(f"{_folder_package(self.folder).__name__}.{module}"), function)


def find_project(start: Path) -> Project | None:
    """The project that a folder lies in: the nearest `harness.yaml` upwards; None without one.

    Raises:
        SpecificationInvalid: that file cannot be used.
    """
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        path = candidate / PROJECT_FILE
        if path.is_file():
            return load_project(path)
    return None


def load_project(path: Path) -> Project:
    """The project of one `harness.yaml`.

    Raises:
        SpecificationInvalid: with every problem by position.
    """
    file, document = read_settings_file(path, ProjectFile)
    return Project(path.resolve().parent, file, document)


def read_settings_file(path: Path, model: type[_Read]) -> tuple[_Read, YamlDocument]:
    """A YAML file as a model, and the places of its keys; an empty file says nothing and is none the worse.

    Raises:
        SpecificationInvalid: with every problem by position.
    """
    try:
        document = read_yaml(path)
    except YamlInvalid as invalid:
        raise SpecificationInvalid(invalid.problems) from invalid
    except OSError as error:
        raise SpecificationInvalid([f"{path}:1:1: cannot be read: {error.strerror}"]) from error
    try:
        return model.model_validate({} if document.value is None else document.value), document
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, model)) from error


def _folder_package(folder: Path) -> ModuleType:
    """The private package that stands for a project's folder in this process."""
    name = f"{_PACKAGE_PREFIX}{hashlib.sha256(str(folder).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    own = folder / "__init__.py"
    spec = spec_from_file_location(name, own, submodule_search_locations=[str(folder)]) if own.is_file() else None
    if spec is None:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
    package = module_from_spec(spec)
    sys.modules[name] = package
    try:
        if spec.loader is not None:
            spec.loader.exec_module(package)
    except BaseException:
        del sys.modules[name]
        raise
    return package


def _called(load: Callable[[], object], path: str, place: str) -> Callable[..., Any]:
    """What a registered path leads to, once it is known that it can be called."""
    module, _, function = path.partition(":")
    try:
        found = load()
    except ModuleNotFoundError as error:
        raise SpecificationInvalid([f"{place}: {_missing(module, error.name or '')}"]) from error
    except AttributeError as error:
        if error.name != function:
            raise SpecificationInvalid([f"{place}: importing {module!r} failed: {error!r}"]) from error
        names = nearest_names(function, [each for each in dir(error.obj) if not each.startswith("_")])
        hint = f"; did you mean {names[0]!r}?" if names else ""
        raise SpecificationInvalid([f"{place}: module {module!r} has no {function!r}{hint}"]) from error
    except Exception as error:  # a module's own code can raise anything while it is imported
        raise SpecificationInvalid([f"{place}: importing {module!r} failed: {error!r}"]) from error
    if not callable(found):
        raise SpecificationInvalid([f"{place}: {path!r} is {type(found).__name__}, which cannot be called"])
    return found


def _missing(module: str, absent: str) -> str:
    """Words for a module that was not found while another one was imported."""
    package, _, neighbour = absent.partition(".")
    own = package.startswith(_PACKAGE_PREFIX)
    name = neighbour if own else absent
    if module == name or module.startswith(f"{name}."):
        return f"there is no module {module!r}{' in the folder of harness.yaml' if own else ''}"
    remedy = "it is not in the folder of harness.yaml" if own else "install it"
    return f"module {module!r} needs {name!r}: {remedy}"
