"""Bindings: which model fills a role, for whom and where. Changing one is the dropdown.

The key is (organisation, workflow?, node?, role) and the most specific wins, so that one node can be swapped
without its namesakes. A bindings file also names the endpoints and models it needs beyond the built-in catalogue,
so that a new server, GGUF file or vendor comes in by editing that one file.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.exceptions import RoleUnbound, SpecificationInvalid
from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.names import nearest_names
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, read_yaml, validation_problems


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Binding(_Value):
    """One role filled.

    Args:
        workflow: only there; None for every workflow.
        node: only at this node; needs a workflow.
        model: the catalogue's name of the model.
        fallback: models that answer, in this order, when the one before failed; each send is held and charged.
    """

    role: str = Field(min_length=1)
    model: str = Field(min_length=1)
    workflow: str | None = Field(default=None, min_length=1)
    node: str | None = Field(default=None, min_length=1)
    fallback: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.node is not None and self.workflow is None:
            raise ValueError("a node is named within a workflow: add `workflow`")
        names = (self.model, *self.fallback)
        if len(set(names)) != len(names):
            raise ValueError("a model stands twice in this binding; each is tried once")
        return self

    @property
    def key(self) -> tuple[str | None, str | None, str]:
        """What there is one binding for."""
        return (self.workflow, self.node, self.role)

    @property
    def place(self) -> str:
        """The key as people write it: `role`, `workflow:role` or `workflow/node:role`."""
        where = f"{self.workflow}/{self.node}" if self.node else self.workflow
        return f"{where}:{self.role}" if where else self.role


class BindingsFile(_Value):
    """A `bindings.yaml`."""

    bindings: tuple[Binding, ...] = ()
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    models: dict[str, Model] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_binding_a_key(self) -> Self:
        keys = [binding.key for binding in self.bindings]
        twice = next((binding.place for binding in self.bindings if keys.count(binding.key) > 1), None)
        if twice:
            raise ValueError(f"two bindings for {twice!r}: keep one")
        return self

    def catalogue(self, builtin: Catalogue) -> Catalogue:
        """The built-in catalogue with this file's endpoints and models laid over it."""
        return builtin.overlaid(Catalogue(endpoints=self.endpoints, models=self.models))

    def resolve(self, role: str, *, workflow: str | None = None, node: str | None = None) -> Binding:
        """The most specific binding of a role at a place.

        Raises:
            RoleUnbound: none fits.
        """
        for key in ((workflow, node, role), (workflow, None, role), (None, None, role)):
            found = next((binding for binding in self.bindings if binding.key == key), None)
            if found is not None:
                return found
        raise RoleUnbound(role, workflow, node)

    def is_bound(self, workflow: str, node: str, role: str) -> bool:
        """Whether some binding fills this role at this place."""
        try:
            self.resolve(role, workflow=workflow, node=node)
        except RoleUnbound:
            return False
        return True

    def with_binding(self, binding: Binding) -> "BindingsFile":
        """This file with one binding put in place of the one with its key, or added."""
        others = tuple(each for each in self.bindings if each.key != binding.key)
        return self.model_copy(update={"bindings": (*others, binding)})


def unknown_model_problems(document: YamlDocument | None, bindings: BindingsFile, builtin: Catalogue) -> list[str]:
    """Bindings and models that name what is in no catalogue, by their place where there is a document."""
    catalogue = bindings.catalogue(builtin)
    problems: list[str] = []
    for place, binding in enumerate(bindings.bindings):
        named: list[tuple[tuple[str | int, ...], str]] = [(("model",), binding.model)]
        named += [(("fallback", number), name) for number, name in enumerate(binding.fallback)]
        for key, name in named:
            if name not in catalogue.models:
                problems.append(_unknown(document, ("bindings", place, *key), "model", name, catalogue.models))
    for name, model in bindings.models.items():
        if model.endpoint not in catalogue.endpoints:
            key = ("models", name, "endpoint")
            problems.append(_unknown(document, key, "endpoint", model.endpoint, catalogue.endpoints))
    return problems


def read_bindings(path: Path, builtin: Catalogue) -> BindingsFile:
    """Read and check a bindings file.

    Raises:
        SpecificationInvalid: with every problem by file, line, column and key.
        OSError: it cannot be read.
    """
    try:
        document = read_yaml(path)
    except YamlInvalid as error:
        raise SpecificationInvalid(error.problems) from error
    try:
        bindings = BindingsFile.model_validate({} if document.value is None else document.value)
    except ValidationError as error:
        raise SpecificationInvalid(validation_problems(document, error, BindingsFile)) from error
    problems = unknown_model_problems(document, bindings, builtin)
    if problems:
        raise SpecificationInvalid(problems)
    return bindings


def _unknown(
    document: YamlDocument | None, key: tuple[str | int, ...], kind: str, name: str, existing: Iterable[str]
) -> str:
    near = nearest_names(name, existing)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "name one of the catalogue, or add it here"
    reason = f"no {kind} {name!r}; {hint}"
    return document.problem(key, reason) if document else reason
