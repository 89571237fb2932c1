"""The pure decision which model answers, at which endpoint, with its reasons."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.routing.bindings import Binding


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one endpoint, as it would be called.

    Args:
        model: as that endpoint knows it: its wire name and price there.
    """

    model_name: str
    model: Model
    endpoint_name: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers, in the order they are tried, by which version of the bindings, and why.

    Args:
        targets: at least one; no endpoint is asked for one wire name twice.
    """

    targets: tuple[Target, ...]
    binding_version: int
    reasons: tuple[str, ...]


def decide(binding: Binding, catalogue: Catalogue, *, version: int) -> Decision:
    """The targets of a binding.

    First its model at each endpoint that serves it, then the models it names as fallbacks, then those that the
    models themselves name, each followed by its own: depth first, every one once.

    Raises:
        NameUnknown: a model or endpoint that is not in the catalogue.
    """
    names = answering_models(binding, catalogue)
    found: dict[tuple[str, str], Target] = {}
    for name in names:
        for target in _targets_of(name, catalogue, preferred=binding.endpoint if name == binding.model else None):
            found.setdefault((target.endpoint_name, target.model.wire_name), target)
    targets = tuple(found.values())
    return Decision(targets, version, tuple(_reasons(binding, names, targets, version)))


def answering_models(binding: Binding, catalogue: Catalogue) -> tuple[str, ...]:
    """The models that may answer for a binding, each once, in the order they are tried.

    Raises:
        NameUnknown: one is not in the catalogue.
    """
    found = dict.fromkeys((binding.model, *binding.fallback))
    waiting = [name for named in reversed(found) for name in reversed(catalogue.model(named).fallback)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += reversed(catalogue.model(name).fallback)
    return tuple(found)


def _targets_of(name: str, catalogue: Catalogue, *, preferred: str | None) -> Iterator[Target]:
    """A model at each of its endpoints, the preferred one first."""
    for model in sorted(catalogue.model(name).placed(), key=lambda each: each.endpoint != preferred):
        yield Target(name, model, model.endpoint, catalogue.endpoint_of(model))


def _reasons(binding: Binding, names: Iterable[str], targets: tuple[Target, ...], version: int) -> Iterator[str]:
    yield f"binding {binding.place!r} of version {version} names {binding.model!r}"
    endpoints = [target.endpoint_name for target in targets if target.model_name == binding.model]
    served = binding.endpoint in endpoints
    if len(endpoints) > 1:
        preferred = f", {binding.endpoint} as the binding prefers" if served else ""
        yield f"served by {', '.join(endpoints)}, in this order{preferred}"
    if binding.endpoint is not None and not served:
        yield f"{binding.endpoint}, which the binding prefers, does not serve it"
    others = [name for name in names if name != binding.model]
    if others:
        yield f"if it fails: {', '.join(others)}"
