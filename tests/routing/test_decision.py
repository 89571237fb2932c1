"""A decision is what a binding and a catalogue say, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import NameUnknown
from harness.models.catalogue import Catalogue, Endpoint, Model
from harness.routing.bindings import Binding
from harness.routing.decision import Target, decide

NAMES = ["a", "b", "c", "d"]
CATALOGUE = Catalogue(
    endpoints={"one": Endpoint(base_url="http://localhost:1"), "two": Endpoint(gguf="two.gguf")},
    models={
        name: Model(endpoint="one" if name < "c" else "two", wire_name=f"wire/{name}", context_tokens=100)
        for name in NAMES
    }
    | {"lost": Model(endpoint="three", wire_name="x", context_tokens=100)},
)


@given(st.lists(st.sampled_from(NAMES), unique=True, min_size=1), st.integers(1, 99))
def test_targets_are_the_model_and_its_fallbacks_in_order_each_at_its_endpoint(names, version):
    binding = Binding(role="r", model=names[0], fallback=tuple(names[1:]))
    decision = decide(binding, CATALOGUE, version=version)
    assert decision.targets == tuple(
        Target(name, CATALOGUE.models[name], endpoint, CATALOGUE.endpoints[endpoint])
        for name in names
        for endpoint in [CATALOGUE.models[name].endpoint]
    )
    assert decision.binding_version == version


def test_the_reasons_name_the_binding_its_version_and_what_follows_a_failure():
    binding = Binding(role="r", workflow="w", node="n", model="a", fallback=("c", "b"))
    assert decide(binding, CATALOGUE, version=7).reasons == (
        "binding 'w/n:r' of version 7 names 'a'",
        "if it fails: c, b",
    )
    assert len(decide(Binding(role="r", model="a"), CATALOGUE, version=7).reasons) == 1


@pytest.mark.parametrize(
    ("binding", "kind", "name"),
    [
        (Binding(role="r", model="nope"), "model", "nope"),
        (Binding(role="r", model="a", fallback=("b", "nope")), "model", "nope"),
        (Binding(role="r", model="a", fallback=("lost",)), "endpoint", "three"),
    ],
)
def test_nothing_is_decided_where_one_of_the_targets_cannot_be_called(binding, kind, name):
    with pytest.raises(NameUnknown) as caught:
        decide(binding, CATALOGUE, version=1)
    assert (caught.value.kind, caught.value.name) == (kind, name)
