"""The pure decision which model answers, with its reasons."""

from dataclasses import dataclass

from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.routing.bindings import Binding


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one endpoint, as it would be called."""

    model_name: str
    model: Model
    endpoint_name: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers, in the order they are tried, by which version of the bindings, and why."""

    targets: tuple[Target, ...]
    binding_version: int
    reasons: tuple[str, ...]


def decide(binding: Binding, catalogue: Catalogue, *, version: int) -> Decision:
    """The targets of a binding.

    Raises:
        NameUnknown: a model or endpoint that is not in the catalogue.
    """
    targets: list[Target] = []
    for name in (binding.model, *binding.fallback):
        model = catalogue.model(name)
        targets.append(Target(name, model, model.endpoint, catalogue.endpoint_of(model)))
    reasons = [f"binding {binding.place!r} of version {version} names {binding.model!r}"]
    if binding.fallback:
        reasons.append(f"if it fails: {', '.join(binding.fallback)}")
    return Decision(tuple(targets), version, tuple(reasons))
