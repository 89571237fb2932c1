"""A project: the folder of a `harness.yaml`, which names its workflows, its files and its tools and code.

A workflow calls tools and code by the names registered here, never by an import path, so that a workflow file stays
data. Nothing is imported until `resolve_callable` or a tool is asked for; what a setting means is left to
`settings.py`, how a tool is called to `harness.tools`.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator

from harness.exceptions import NameUnknown, SpecificationInvalid
from harness.names import nearest_names
from harness.tools.allowed_hosts import HttpBlock
from harness.tools.mcp_server_spec import McpServerSpec, ServerName
from harness.tools.registered import (
    CallablePath,
    FunctionTool,
    HttpTool,
    RegisteredTool,
    declaration_of,
    function_tool,
)
from harness.tools.tool import Toolbox
from harness.tools.toolbox import ProjectToolbox, RegisteredTools
from harness.workflow.answers import schema_problem
from harness.workflow.checking.registry import Registry
from harness.workflow.nodes.node_context import NodeContext
from harness.workflow.spec_values import Name
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, read_yaml, validation_problems

PROJECT_FILE = "harness.yaml"
TOOL_GROUP = "harness.tools"
CODE_GROUP = "harness.code"
CHAT_MODEL_GROUP = "harness.chat_models"
_PACKAGE_PREFIX = "_harness_project_"
_BLOCKS = {TOOL_GROUP: "tools", CODE_GROUP: "code", CHAT_MODEL_GROUP: "chat_models"}

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
    retention_days: StrictInt | None = None
    call_attempts: StrictInt | None = None
    call_deadline_seconds: StrictInt | None = None


class ProjectFile(_File):
    """What a `harness.yaml` may say; paths are relative to its folder.

    Args:
        tools: names of tools, each with `module:function` in the project's folder, or a mapping that says more of it
            or that makes an HTTP request of it.
        http: the hosts that HTTP tools may reach.
        mcp_servers: servers of tools; a tool of one is named `server.tool`.
        code: names of the callables of code nodes, each with `module:function`.
        chat_models: names that an endpoint's `chat_model` may have, each with the `module:function` that makes a chat
            model of LangChain's.
    """

    settings: SettingsBlock = Field(default_factory=SettingsBlock)
    workflows: dict[Name, str] = Field(default_factory=dict)
    bindings: str | None = None
    prices: str | None = None
    ontology: str | None = None
    tools: dict[Name, RegisteredTool] = Field(default_factory=dict)
    http: HttpBlock = Field(default_factory=HttpBlock)
    mcp_servers: dict[ServerName, McpServerSpec] = Field(default_factory=dict)
    code: dict[Name, CallablePath] = Field(default_factory=dict)
    chat_models: dict[Name, CallablePath] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        both = sorted(self.tools.keys() & self.code.keys())
        if both:
            raise ValueError(f"{both[0]!r} is registered under `tools` and under `code`: rename one")
        for name in self.tools:
            if name.partition(".")[0] in self.mcp_servers:
                raise ValueError(f"tool {name!r} has the name of an MCP server, or of a tool of one: rename it")
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

    @cached_property
    def tools(self) -> Mapping[str, FunctionTool | HttpTool]:
        """All tools but those of MCP servers: the project's own, and those of installed packages. Imports nothing."""
        own = {name: function_tool(said) for name, said in self.file.tools.items()}
        return {name: FunctionTool() for name in self._installed(TOOL_GROUP)} | own

    def registry(self) -> Registry:
        """What workflows of this project may name. Imports nothing."""
        return Registry(
            code=frozenset(self.file.code) | frozenset(self._installed(CODE_GROUP)),
            tools={name: declaration_of(name, said) for name, said in self.tools.items()},
            servers={name: server.declaration(name) for name, server in self.file.mcp_servers.items()},
            workflows=frozenset(self.file.workflows),
        )

    def toolbox(self, *, environment: Mapping[str, str], mcp: Toolbox | None) -> ProjectToolbox:
        """The tools as they are called.

        Args:
            environment: where the secrets are that declarations name.
            mcp: the tools of the servers; None where they cannot be reached.
        """
        registered = RegisteredTools(
            tools=self.tools,
            servers=self.file.mcp_servers,
            function_of=self.tool_function,
            context_type=NodeContext,
            allowed_hosts=self.file.http.hosts(),
        )
        return ProjectToolbox(registered, environment=environment, mcp=mcp)

    def resolve_callable(self, name: str) -> Callable[..., Any]:
        """The code of a name; the project's own goes before that of an installed package.

        Its module is imported as a part of a private package that stands for the project's folder, so that it can
        import its neighbours relatively, two projects can have modules of one name, and `sys.path` stays as it is.

        Raises:
            NameUnknown: no code is registered under this name.
            SpecificationInvalid: what is registered cannot be imported, or cannot be called.
        """
        return self._function("code", CODE_GROUP, name, self.file.code.get(name))

    def chat_model(self, name: str) -> Callable[..., Any]:
        """What makes the chat model of a name; imported as code is.

        Raises:
            NameUnknown: no chat model is registered under this name.
            SpecificationInvalid: what is registered cannot be imported, or cannot be called.
        """
        return self._function("chat model", CHAT_MODEL_GROUP, name, self.file.chat_models.get(name))

    def tool_function(self, name: str) -> Callable[..., Any]:
        """The Python function of a tool; imported as code is.

        Raises:
            NameUnknown: no function is registered as a tool under this name.
            SpecificationInvalid: what is registered cannot be imported, or cannot be called.
        """
        said = self.tools.get(name)
        return self._function("tool", TOOL_GROUP, name, said.function if isinstance(said, FunctionTool) else None)

    def tool_origin(self, name: str) -> str:
        """Where a tool is registered: `file:line:column`, or the installed package that brings it."""
        if name in self.file.tools:
            return self.document.place(("tools", name))
        return self._place_of_installed(name, self._installed(TOOL_GROUP)[name])

    def _function(self, kind: str, group: str, name: str, own: str | None) -> Callable[..., Any]:
        if own is not None:
            place = self.document.problem((_BLOCKS[group], name), "").removesuffix(": ")
            return _called(lambda: self._own(own), own, place)
        installed = self._installed(group)
        if name not in installed:
            raise NameUnknown(kind, name, nearest_names(name, self._names(group)))
        point = installed[name]
        return _called(point.load, point.value, self._place_of_installed(name, point))

    def _names(self, group: str) -> Iterable[str]:
        if group == CHAT_MODEL_GROUP:
            return self.file.chat_models.keys() | self._installed(group).keys()
        known = self.registry()
        return known.tools if group == TOOL_GROUP else known.code

    def _path(self, relative: str | None) -> Path | None:
        return None if relative is None else self.folder / relative

    @staticmethod
    def _place_of_installed(name: str, point: EntryPoint) -> str:
        return f"entry point {name!r} of {point.dist.name if point.dist else 'an installed package'}"

    def _installed(self, group: str) -> Mapping[str, EntryPoint]:
        return self._entry_points[group]

    @cached_property
    def _entry_points(self) -> Mapping[str, Mapping[str, EntryPoint]]:
        return {group: {each.name: each for each in entry_points(group=group)} for group in _BLOCKS}

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
    problems = _tool_problems(file, document)
    if problems:
        raise SpecificationInvalid(problems)
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


def _tool_problems(file: ProjectFile, document: YamlDocument) -> list[str]:
    """What is wrong with HTTP tools: a host that is not listed, a schema that is none."""
    problems: list[str] = []
    allowed = file.http.hosts()
    for name, said in file.tools.items():
        if not isinstance(said, HttpTool):
            continue
        origin = said.http.origin
        if origin not in allowed:
            reason = f"host {str(origin)!r} is not listed: add it to `http: {{allowed_hosts: [...]}}`"
            problems.append(document.problem(("tools", name, "http", "url"), reason))
        wrong = schema_problem(said.schema_of_arguments)
        if wrong is not None:
            problems.append(document.problem(("tools", name, "parameters", *wrong.path), wrong.reason))
    return problems


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
