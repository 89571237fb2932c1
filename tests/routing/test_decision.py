"""A decision is what a binding and a catalogue say, and nothing else."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exceptions import NameUnknown
from harness.models.catalogue import Catalogue, Endpoint, Model, Placement
from harness.models.prices import PriceOverride
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


FREE = PriceOverride(free=True, source="here", checked=date(2026, 11, 1))


def served(name, *, also=(), fallback=(), at="one"):
    places = tuple(Placement(endpoint=each, wire_name=f"{each}.{name}") for each in also)
    return Model(
        endpoint=at, wire_name=f"{at}.{name}", context_tokens=100, price=FREE, also_at=places, fallback=fallback
    )


def catalogue_of(**models):
    endpoints = {name: Endpoint(base_url=f"http://{name}.test") for name in ("one", "two", "three")}
    return Catalogue(endpoints=endpoints, models=models)


def tried(binding, catalogue):
    targets = decide(binding, catalogue, version=1).targets
    for target in targets:
        assert target.endpoint is catalogue.endpoints[target.endpoint_name]
        assert target.model.endpoint == target.endpoint_name
    return [(target.model_name, target.model.wire_name) for target in targets]


def test_a_model_is_tried_at_each_of_its_endpoints_by_its_name_and_price_there():
    catalogue = catalogue_of(a=served("a", also=["two", "three"]), b=served("b", at="two", also=["one"]))
    binding = Binding(role="r", model="a", fallback=("b",))
    assert tried(binding, catalogue) == [
        ("a", "one.a"),
        ("a", "two.a"),
        ("a", "three.a"),
        ("b", "two.b"),
        ("b", "one.b"),
    ]
    first, second, *_ = decide(binding, catalogue, version=1).targets
    assert (first.model.price, second.model.price) == (FREE, None)


def test_the_endpoint_that_a_binding_prefers_is_tried_first_and_the_others_follow_in_their_order():
    catalogue = catalogue_of(a=served("a", also=["two", "three"]), b=served("b", also=["three"]))
    binding = Binding(role="r", model="a", endpoint="three", fallback=("b",))
    assert [wire for _, wire in tried(binding, catalogue)] == ["three.a", "one.a", "two.a", "one.b", "three.b"]
    assert (
        "three, one, two, in this order, three as the binding prefers"
        in decide(binding, catalogue, version=1).reasons[1]
    )


@pytest.mark.parametrize("also", [[], ["two"]])
def test_an_endpoint_that_no_longer_serves_the_model_is_not_said_to_be_preferred(also):
    catalogue = catalogue_of(a=served("a", also=also))
    reasons = decide(Binding(role="r", model="a", endpoint="three"), catalogue, version=1).reasons
    assert reasons[-1] == "three, which the binding prefers, does not serve it"
    assert not [each for each in reasons if "as the binding prefers" in each]


def test_after_the_binding_s_fallbacks_come_those_of_the_models_depth_first():
    catalogue = catalogue_of(
        a=served("a", fallback=("c", "d")),
        b=served("b", fallback=("f",)),
        c=served("c", fallback=("e", "b")),
        d=served("d", fallback=("e",)),
        e=served("e"),
        f=served("f"),
    )
    alone = Binding(role="r", model="a")
    assert [name for name, _ in tried(alone, catalogue)] == ["a", "c", "e", "b", "f", "d"]
    assert decide(alone, catalogue, version=1).reasons[-1] == "if it fails: c, e, b, f, d"
    assert [name for name, _ in tried(Binding(role="r", model="a", fallback=("d",)), catalogue)] == [
        *("a", "d"),
        *("c", "e", "b", "f"),
    ]


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True)), st.sampled_from(NAMES))
def test_whatever_the_fallbacks_each_endpoint_is_asked_for_a_name_once_and_all_that_can_be_reached_is(links, first):
    # Also where they go round, which files may not say but a version of the bindings from before may.
    catalogue = catalogue_of(
        **{name: served(name, also=["two"], fallback=tuple(links.get(name, ()))) for name in NAMES}
    )
    names = [name for name, _ in tried(Binding(role="r", model=first), catalogue)]
    assert names[0] == first
    reached, waiting = {first}, [first]
    while waiting:
        more = set(links.get(waiting.pop(), ())) - reached
        reached |= more
        waiting += more
    assert sorted(names) == sorted([*reached] * 2)


def test_two_names_of_one_model_at_one_endpoint_are_one_target():
    catalogue = catalogue_of(a=served("x"), b=served("x", also=["two"]))
    assert tried(Binding(role="r", model="a", fallback=("b",)), catalogue) == [("a", "one.x"), ("b", "two.x")]


def test_an_endpoint_that_is_not_there_is_refused_wherever_it_stands():
    catalogue = catalogue_of(a=served("a", also=["four"]))
    with pytest.raises(NameUnknown, match="four"):
        decide(Binding(role="r", model="a"), catalogue, version=1)
