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
from harness.models.catalogue import Capability, Catalogue, Endpoint, Model
from harness.names import nearest_names
from harness.routing.fallback_cycles import chain_between, fallback_cycles
from ontology.exceptions import YamlInvalid
from ontology.yaml_documents import YamlDocument, read_yaml, validation_problems

_KeyPath = tuple[str | int, ...]


class _Value(BaseModel):
    # As in the catalogue: a key may have been pasted into what was given.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Binding(_Value):
    """One role filled.

    Args:
        workflow: only there; None for every workflow.
        node: only at this node; needs a workflow.
        model: the catalogue's name of the model.
        endpoint: which of the endpoints that serve the model is tried first; the others follow.
        fallback: models that answer, in this order, when the one before failed; each send is held and charged. The
            fallbacks that models name in the catalogue come after them.
    """

    role: str = Field(min_length=1)
    model: str = Field(min_length=1)
    workflow: str | None = Field(default=None, min_length=1)
    node: str | None = Field(default=None, min_length=1)
    endpoint: str | None = Field(default=None, min_length=1)
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
    problems = catalogue_problems(bindings, builtin, document)
    if problems:
        raise SpecificationInvalid(problems)
    return bindings


def catalogue_problems(
    bindings: BindingsFile, builtin: Catalogue, document: YamlDocument | None = None
) -> tuple[str, ...]:
    """What bindings and models name that cannot be: one line each, by its place where there is a document.

    Models and endpoints that are in no catalogue, a preferred endpoint that does not serve its model, fallbacks that
    lead back to where they began, and vectors of one model in the place of another's.
    """
    found = _Problems(bindings.catalogue(builtin), document)
    for place, binding in enumerate(bindings.bindings):
        found.check_binding(("bindings", place), binding)
    for name, model in bindings.models.items():
        found.check_model(("models", name), model)
    found.check_cycles(bindings)
    return tuple(found.lines)


class _Problems:
    """Gathers what is wrong with bindings and models under one catalogue."""

    def __init__(self, catalogue: Catalogue, document: YamlDocument | None) -> None:
        self._catalogue = catalogue
        self._document = document
        self._fallbacks = {name: model.fallback for name, model in catalogue.models.items()}
        self.lines: dict[str, None] = {}

    def check_binding(self, path: _KeyPath, binding: Binding) -> None:
        """A binding's names, and what its fallbacks lead to."""
        self._check_name((*path, "model"), "model", binding.model, self._catalogue.models)
        for place, name in enumerate(binding.fallback):
            key = (*path, "fallback", place)
            self._check_name(key, "model", name, self._catalogue.models)
            chain = chain_between(self._fallbacks, name, binding.model)
            if chain is not None:
                self._add(key, _cycle_words((binding.model, *chain)))
        model = self._catalogue.models.get(binding.model)
        if model is None:
            return
        served = [each.endpoint for each in model.placed()]
        if binding.endpoint is not None and binding.endpoint not in served:
            reason = f"{binding.endpoint!r} does not serve {binding.model!r}; name one of {', '.join(served)}"
            self._add((*path, "endpoint"), reason)
        if _only_embeds(model) and binding.fallback:
            self._add((*path, "fallback"), _other_space_words(binding.model, binding.fallback))

    def check_model(self, path: _KeyPath, model: Model) -> None:
        """A model's endpoints and fallbacks."""
        self._check_name((*path, "endpoint"), "endpoint", model.endpoint, self._catalogue.endpoints)
        for place, other in enumerate(model.also_at):
            key = (*path, "also_at", place, "endpoint")
            self._check_name(key, "endpoint", other.endpoint, self._catalogue.endpoints)
        for place, name in enumerate(model.fallback):
            self._check_name((*path, "fallback", place), "model", name, self._catalogue.models)
        if _only_embeds(model) and model.fallback:
            self._add((*path, "fallback"), _other_space_words(str(path[-1]), model.fallback))

    def check_cycles(self, bindings: BindingsFile) -> None:
        """Models whose fallbacks lead back to them, at the first of them that the file has."""
        for chain in fallback_cycles(self._fallbacks):
            here = next((place for place, name in enumerate(chain) if name in bindings.models), 0)
            around = (*chain[here:-1], *chain[:here], chain[here])
            step = self._fallbacks[around[0]].index(around[1])
            self._add(("models", around[0], "fallback", step), _cycle_words(around))

    def _check_name(self, key: _KeyPath, kind: str, name: str, existing: Iterable[str]) -> None:
        if name in existing:
            return
        near = nearest_names(name, existing)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "name one of the catalogue, or add it here"
        self._add(key, f"no {kind} {name!r}; {hint}")

    def _add(self, key: _KeyPath, reason: str) -> None:
        self.lines[self._document.problem(key, reason) if self._document else reason] = None


def _cycle_words(chain: Iterable[str]) -> str:
    return f"fallbacks go round: {' -> '.join(chain)}; each model is asked once, so take one of these steps out"


def _only_embeds(model: Model) -> bool:
    return model.capabilities == frozenset({Capability.EMBEDDINGS})


def _other_space_words(name: str, fallback: Iterable[str]) -> str:
    others = ", ".join(map(repr, fallback))
    return (
        f"{name!r} embeds, and vectors of another model ({others}) cannot be compared with its own: "
        "name further endpoints of the same model under `also_at` instead"
    )
