"""Endpoints and models are facts: laid over each other by name, refused where they cannot be meant."""

import pytest
from pydantic import ValidationError

from harness.exceptions import NameUnknown
from harness.models.catalogue import Catalogue, Endpoint, Model, builtin_catalogue
from harness.routing.binding_changes import check_models

BUILTIN = builtin_catalogue()
HERE = Endpoint(base_url="http://localhost:1")
PLACES = {"base_url": "http://localhost:1", "gguf": "model.gguf", "scripted_replies": "replies.yaml"}


def a_model(endpoint="here", **more):
    return Model.model_validate({"endpoint": endpoint, "wire_name": "w", "context_tokens": 100} | more)


def test_the_catalogue_is_read_anew_each_time_and_cannot_be_changed():
    assert builtin_catalogue() == BUILTIN
    with pytest.raises(ValidationError):
        BUILTIN.model("smollm2-135m").context_tokens = 1


def test_an_overlay_adds_and_replaces_by_name_and_leaves_the_rest():
    over = Catalogue(endpoints={"here": HERE, "openai": HERE}, models={"mine": a_model(), "gpt-5-mini": a_model()})
    both = BUILTIN.overlaid(over)
    assert both.model("mine") == a_model()
    assert both.endpoint_of(both.model("gpt-5-mini")) == HERE
    assert both.endpoint_of(both.model("gpt-5-nano")) == HERE  # its endpoint was replaced under it
    assert both.model("mistral-small") == BUILTIN.model("mistral-small")
    assert set(both.models) == {*BUILTIN.models, "mine"}
    assert "mine" not in BUILTIN.models
    assert BUILTIN.overlaid(Catalogue()) == BUILTIN


def test_an_overlaid_model_keeps_nothing_of_the_one_it_replaces():
    both = BUILTIN.overlaid(Catalogue(endpoints={"here": HERE}, models={"smollm2-135m": a_model()}))
    replaced = both.model("smollm2-135m")
    assert (replaced.price, replaced.max_output_tokens, replaced.capabilities) == (None, None, frozenset())


def test_an_unknown_model_is_answered_with_the_nearest():
    with pytest.raises(NameUnknown) as caught:
        BUILTIN.model("gpt5-mini")
    assert caught.value.nearest[0] == "gpt-5-mini"
    assert "'gpt5-mini'" in str(caught.value)
    with pytest.raises(NameUnknown) as nothing_like_it:
        BUILTIN.model("zzzzzz")
    assert nothing_like_it.value.nearest == ()


def test_a_model_of_an_endpoint_that_is_not_there_is_refused_with_the_nearest():
    catalogue = BUILTIN.overlaid(Catalogue(models={"mine": a_model("opnai")}))
    for ask in (lambda: catalogue.endpoint_of(catalogue.model("mine")), lambda: check_models(["mine"], catalogue)):
        with pytest.raises(NameUnknown) as caught:
            ask()
        assert (caught.value.kind, caught.value.name) == ("endpoint", "opnai")
        assert "openai" in caught.value.nearest


@pytest.mark.parametrize("places", [(), *((a, b) for a in PLACES for b in PLACES if a < b), tuple(PLACES)])
def test_an_endpoint_has_exactly_one_place(places):
    with pytest.raises(ValidationError, match="exactly one of base_url, gguf, scripted_replies and chat_model"):
        Endpoint.model_validate({place: PLACES[place] for place in places})


def test_a_variable_that_names_another_file_of_weights_has_one_to_go_before():
    assert Endpoint(gguf="package:small", gguf_env="LARGE_GGUF").gguf_env == "LARGE_GGUF"
    with pytest.raises(ValidationError, match="what is served without it"):
        Endpoint(base_url="http://localhost:1", gguf_env="LARGE_GGUF")


@pytest.mark.parametrize("place", PLACES)
def test_each_place_alone_is_an_endpoint(place):
    assert getattr(Endpoint.model_validate({place: PLACES[place]}), place) == PLACES[place]


def test_an_address_has_no_slash_at_its_end():
    assert Endpoint(base_url="https://h/v1//").base_url == "https://h/v1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://h"},
        {"base_url": "localhost:80"},
        {"base_url": ""},
        {"base_url": "http://h", "timeout_seconds": 0},
        {"base_url": "http://h", "timeout_seconds": -1},
        {"base_url": "http://h", "dialect": "telepathy"},
        {"base_url": "http://h", "api_key": "sk-123"},  # a key itself is never in a file
    ],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        Endpoint.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"context_tokens": 0},
        {"context_tokens": -1},
        {"context_tokens": 1_000_000_001},
        {"max_output_tokens": 0},
        {"max_output_tokens": 1_000_000_001},
        {"capabilities": ["mind_reading"]},
        {"price": {"free": True}},
        {"prices": {}},
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        a_model(**wrong)


@pytest.mark.parametrize("wire_name", ["qwen:7b", "org/model;v=1", "a b", "@cf/meta/llama-3"])
def test_a_wire_name_is_never_split(wire_name):
    assert a_model(wire_name=wire_name).wire_name == wire_name


@pytest.mark.parametrize("address", ["http://", "https:///v1", "ftp://host/v1", "host:8000", ""])
def test_an_address_without_a_host_is_refused_and_a_good_one_is_read_back(address):
    with pytest.raises(ValidationError, match="and a host"):
        Endpoint(base_url=address)
    kept = Endpoint(base_url="http://127.0.0.1:8000/v1/")
    assert Endpoint.model_validate_json(kept.model_dump_json()) == kept
