"""The most specific binding fills a role; the decision names its targets, its version and its reasons."""

import asyncio
import re
import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.exceptions import NameUnknown, RoleUnbound, SpecificationInvalid
from harness.ledger.entries import CallContext
from harness.models.catalogue import Catalogue, Endpoint, Model, builtin_catalogue
from harness.routing.binding_store import BindingVersion
from harness.routing.bindings import Binding, BindingsFile, read_bindings
from harness.routing.bound_router import BoundRouter
from harness.routing.decision import decide

CATALOGUE = Catalogue(
    endpoints={"here": Endpoint(base_url="http://localhost:1/v1/")},
    models={name: Model(endpoint="here", wire_name=name, context_tokens=100) for name in ("a", "b", "c")},
)
CONTEXT = CallContext(
    organisation="acme", person="ada", task_id="t", role="writer", path="p", workflow="audit", node="draft"
)
workflows, nodes, roles = (
    st.sampled_from(["audit", "mail"]),
    st.sampled_from(["draft", "check"]),
    st.sampled_from(["r", "s"]),
)
keys = st.one_of(
    st.tuples(st.none(), st.none(), roles), st.tuples(workflows, st.none(), roles), st.tuples(workflows, nodes, roles)
)


@given(st.lists(keys, unique=True), workflows | st.none(), nodes | st.none(), roles)
def test_the_most_specific_binding_of_a_place_rules(bound, workflow, node, role):
    bindings = BindingsFile(
        bindings=tuple(Binding(role=r, workflow=w, node=n, model=f"{w}/{n}:{r}") for w, n, r in bound)
    )
    fitting = [key for key in bound if key[2] == role and key[0] in (None, workflow) and key[1] in (None, node)]
    if not fitting:
        assert not bindings.is_bound(workflow or "", node or "", role)
        with pytest.raises(RoleUnbound):
            bindings.resolve(role, workflow=workflow, node=node)
        return
    best = max(fitting, key=lambda key: (key[0] is not None) + (key[1] is not None))
    assert bindings.resolve(role, workflow=workflow, node=node).key == best


def test_a_swapped_node_leaves_its_namesakes_alone():
    bindings = BindingsFile(bindings=(Binding(role="r", model="a"),))
    swapped = bindings.with_binding(Binding(role="r", workflow="audit", node="draft", model="b"))
    assert swapped.resolve("r", workflow="audit", node="draft").model == "b"
    assert swapped.resolve("r", workflow="audit", node="check").model == "a"
    assert swapped.resolve("r", workflow="mail", node="draft").model == "a"
    again = swapped.with_binding(Binding(role="r", workflow="audit", node="draft", model="c"))
    assert len(again.bindings) == 2
    assert again.resolve("r", workflow="audit", node="draft").model == "c"


@pytest.mark.parametrize(
    "values",
    [
        {"role": "r", "model": "a", "node": "draft"},
        {"role": "r", "model": "a", "fallback": ["b", "a"]},
        {"role": "r", "model": "a", "fallback": ["b", "b"]},
        {"role": "", "model": "a"},
        {"role": "r", "model": ""},
        {"role": "r", "model": "a", "temperature": 1},
    ],
)
def test_a_binding_that_contradicts_itself_is_refused(values):
    with pytest.raises(ValidationError):
        Binding.model_validate(values)


def test_two_bindings_of_one_place_are_refused():
    with pytest.raises(ValidationError, match="two bindings for 'audit:r'"):
        BindingsFile(
            bindings=(Binding(role="r", workflow="audit", model="a"), Binding(role="r", workflow="audit", model="b"))
        )


def test_a_decision_names_who_answers_in_order_and_why():
    decision = decide(Binding(role="r", model="b", fallback=("a", "c")), CATALOGUE, version=7)
    assert [target.model_name for target in decision.targets] == ["b", "a", "c"]
    assert {target.endpoint_name for target in decision.targets} == {"here"}
    assert decision.binding_version == 7
    assert "version 7" in decision.reasons[0]
    assert "a, c" in decision.reasons[1]


def test_a_model_that_is_in_no_catalogue_is_named_with_the_nearest():
    with pytest.raises(NameUnknown, match="smollm2-135m"):
        decide(Binding(role="r", model="smolm2-135m"), builtin_catalogue(), version=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bindings:\n- {role: r, model: smollm2-135}\n", ":2:"),
        ("bindings:\n- {role: r, model: smollm2-135m, fallback: [nope]}\n", "nope"),
        # by the place of the very name that is wrong
        ("bindings:\n- {role: r, model: smollm2-135m, fallback: [gpt-5-mini, gpt-5-nino]}\n", ":2:57: .*'gpt-5-nano'"),
        ("bindings:\n- {role: r, model: nope}\n- {role: s,\n   model: nape}\n", r":2:13: (?s:.*):4:4: "),
        ("models:\n  m: {wire_name: m, context_tokens: 9, endpoint: opnai}\n", ":2:40: .*'openai'"),
        ("bindings:\n- {role: r, workflow: '', model: smollm2-135m}\n", ":2:13: .*workflow"),
        ("bindings:\n- {role: r, workflow: w, node: '', model: smollm2-135m}\n", ":2:26: .*node"),
        ("models:\n  m: {endpoint: nowhere, wire_name: m, context_tokens: 10}\n", "nowhere"),
        ("models:\n  m: {endpoint: local, wire_name: m, context_tokens: 0}\n", "context_tokens"),
        ("endpoints:\n  e: {base_url: 'ftp://x'}\n", "http"),
        ("endpoints:\n  e: {base_url: 'http://x', gguf: y}\n", "exactly one"),
        ("bindings: [\n", ":"),
        ("- a\n", "bindings.yaml:1:"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_line(tmp_path, text, said):
    path = tmp_path / "bindings.yaml"
    path.write_text(text)
    with pytest.raises(SpecificationInvalid, match=said):
        read_bindings(path, builtin_catalogue())


PLACED = """\
bindings:
- {role: r, model: a, endpoint: two}
- {role: s, model: b, fallback: [a]}
endpoints:
  one: {base_url: "http://one.test"}
  two: {base_url: "http://two.test"}
models:
  a:
    endpoint: one
    wire_name: a
    context_tokens: 9
    also_at: [{endpoint: two, wire_name: a2}]
  b: {endpoint: two, wire_name: b, context_tokens: 9, fallback: [a, gpt-5-mini]}
"""


def problems_of(tmp_path, old="", new=""):
    path = tmp_path / "bindings.yaml"
    assert old in PLACED
    path.write_text(PLACED.replace(old, new, 1) if old else PLACED)
    try:
        read_bindings(path, builtin_catalogue())
    except SpecificationInvalid as error:
        return [each.removeprefix(str(path)) for each in error.problems]
    return []


def test_a_model_at_several_endpoints_with_fallbacks_of_its_own_is_read(tmp_path):
    assert problems_of(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("endpoint: two}\n-", "endpoint: three}\n-", ":2:23: .*'three' does not serve 'a'; name one of one, two"),
        ("endpoint: two}\n-", "endpoint: openai}\n-", "'openai' does not serve 'a'"),
        ("[{endpoint: two,", "[{endpoint: tow,", r":12:16: .*also_at.*no endpoint 'tow'.*'two'"),
        ("[a, gpt-5-mini]", "[a, gpt-5-mnii]", ":13:69: .*no model 'gpt-5-mnii'.*'gpt-5-mini'"),
        ("[a, gpt-5-mini]", "[a, a]", ":13:3: .*a model stands twice among the fallbacks"),
        ("[{endpoint: two,", "[{endpoint: one,", "an endpoint stands twice"),
        ("[a, gpt-5-mini]", "[gpt-5-mini, b]", r":13:78: models\.b\.fallback\[1\]: fallbacks go round: b -> b;"),
        # through a binding: what it names leads back to its model
        ("r, model: a, endpoint: two", "r, model: a, fallback: [b]", r":2:34: .*: fallbacks go round: a -> b -> a;"),
    ],
)
def test_what_cannot_be_in_fallbacks_and_endpoints_is_told_by_its_place(tmp_path, old, new, said):
    problems = problems_of(tmp_path, old, new)
    pattern = said if said.startswith(":") else f".*{re.escape(said)}"
    assert any(re.match(pattern, each) for each in problems), problems


def test_a_round_of_fallbacks_is_told_once_with_its_chain_at_the_first_model_of_the_file(tmp_path):
    problems = problems_of(tmp_path, "also_at:", "fallback: [c]\n    also_at:")
    assert any("no model 'c'" in each for each in problems)
    path = tmp_path / "round.yaml"
    path.write_text(
        "endpoints: {e: {base_url: 'http://e.test'}}\nmodels:\n"
        + "".join(
            f"  {name}: {{endpoint: e, wire_name: {name}, context_tokens: 9, fallback: [{after}]}}\n"
            for name, after in (("a", "b"), ("b", "c"), ("c", "d, a"), ("d", "b"))
        )
    )
    with pytest.raises(SpecificationInvalid) as caught:
        read_bindings(path, builtin_catalogue())
    chains = [each.partition("round: ")[2].partition(";")[0] for each in caught.value.problems]
    assert sorted(map(len, (each.split(" -> ") for each in chains))) == [4, 4]
    assert {"a -> b -> c -> a", "b -> c -> d -> b"} == set(chains)
    assert any(each.startswith(f"{path}:3:") for each in caught.value.problems)


def test_a_model_of_the_file_that_closes_a_round_of_built_in_ones_is_named(tmp_path):
    builtin = Catalogue(
        endpoints=CATALOGUE.endpoints,
        models={**CATALOGUE.models, "a": CATALOGUE.models["a"].model_copy(update={"fallback": ("m",)})},
    )
    path = tmp_path / "bindings.yaml"
    path.write_text("models:\n  m: {endpoint: here, wire_name: m, context_tokens: 9, fallback: [a]}\n")
    with pytest.raises(SpecificationInvalid, match=r":2:\d+: models\.m\.fallback\[0\]: .*: m -> a -> m;"):
        read_bindings(path, builtin)


@pytest.mark.parametrize(
    "text",
    ["bindings:\n- {role: r, model: v, fallback: [w]}\n", "bindings: []\n", "bindings: [{role: r, model: v}]\n"],
)
def test_vectors_of_one_model_never_stand_in_for_another_s(tmp_path, text):
    of_model = "" if "w]" in text else ", fallback: [w]"
    path = tmp_path / "bindings.yaml"
    rest = "wire_name: x, context_tokens: 9, capabilities: [embeddings]"
    path.write_text(f"{text}models:\n  v: {{endpoint: local, {rest}{of_model}}}\n  w: {{endpoint: openai, {rest}}}\n")
    with pytest.raises(SpecificationInvalid, match=r"'w'\) cannot be compared .* `also_at`"):
        read_bindings(path, builtin_catalogue())


def test_a_very_long_chain_of_fallbacks_is_no_round(tmp_path):
    path = tmp_path / "bindings.yaml"
    last = 3000
    path.write_text(
        "bindings: [{role: r, model: m0}]\nmodels:\n"
        + "".join(
            f"  m{place}: {{endpoint: local, wire_name: m{place}, context_tokens: 9, fallback: [m{place + 1}]}}\n"
            for place in range(last)
        )
        + f"  m{last}: {{endpoint: local, wire_name: x, context_tokens: 9}}\n"
    )
    bindings = read_bindings(path, builtin_catalogue())
    decision = decide(bindings.bindings[0], bindings.catalogue(builtin_catalogue()), version=1)
    assert len(decision.targets) == last + 1


def test_a_file_in_which_everything_is_commented_out_binds_nothing(tmp_path):
    path = tmp_path / "bindings.yaml"
    path.write_text("# bindings:\n# - {role: r, model: smollm2-135m}\n")
    assert read_bindings(path, builtin_catalogue()) == BindingsFile()


class Versions:
    """A binding store of versions in a dict: the router asks for nothing but the current one."""

    def __init__(self):
        self.current_of = {}

    def put(self, organisation, version, **models):
        bindings = BindingsFile(
            bindings=tuple(Binding(role=role, model=model) for role, model in models.items()),
            endpoints={"here": Endpoint(base_url=f"http://localhost:{version}")},
            models={name: Model(endpoint="here", wire_name=name, context_tokens=100) for name in models.values()},
        )
        self.current_of[organisation] = BindingVersion(
            version, organisation, bindings, "ada", datetime(2026, 11, 24, tzinfo=UTC), ""
        )

    async def current(self, organisation):
        return self.current_of.get(organisation)


def routed(router, organisation="acme"):
    context = CallContext(organisation=organisation, person="ada", task_id="t", role="writer", path="p")
    decision = asyncio.run(router.route(context))
    (target,) = decision.targets
    return target.model_name, target.endpoint.base_url, decision.binding_version


def test_each_call_is_routed_by_the_version_in_force_and_its_own_endpoints():
    store = Versions()
    router = BoundRouter(store, builtin_catalogue())
    with pytest.raises(RoleUnbound):
        routed(router)
    store.put("acme", 1, writer="a")
    assert routed(router) == ("a", "http://localhost:1", 1)
    store.put("acme", 2, writer="b")
    assert routed(router) == ("b", "http://localhost:2", 2)
    store.put("acme", 3, reader="b")
    with pytest.raises(RoleUnbound, match="harness bind writer"):
        routed(router)


def test_organisations_with_equal_version_numbers_are_not_mixed_up():
    store = Versions()
    router = BoundRouter(store, builtin_catalogue())
    store.put("acme", 5, writer="a")
    store.put("other", 5, writer="b")
    for _ in range(2):
        assert routed(router)[0] == "a"
        assert routed(router, "other")[0] == "b"


PASTED = "sk-proj-pasted-0123456789abcdef"


@pytest.mark.parametrize("value", [PASTED, f"{PASTED} ", '""', "1ABC", "12345678901234567890", f"[{PASTED}]", "A=B"])
@pytest.mark.parametrize(("where", "key"), [("base_url: http://localhost:1", "api_key_env"), ("gguf: a", "gguf_env")])
def test_what_is_no_name_of_a_variable_is_refused_and_not_repeated(tmp_path, where, key, value):
    path = tmp_path / "bindings.yaml"
    path.write_text(f"endpoints:\n  here: {{{where}, {key}: {value}}}\n")
    with pytest.raises(SpecificationInvalid) as caught:
        read_bindings(path, Catalogue())
    (problem,) = caught.value.problems
    assert f"endpoints.here.{key}: this is no name of an environment variable" in problem
    # What a traceback would print, and what those errors say themselves.
    said = "".join(traceback.format_exception(caught.value))
    given_value = value.strip('[]" ')
    assert not given_value or given_value not in said
    with pytest.raises(ValidationError) as raw:
        BindingsFile.model_validate({"endpoints": {"here": {"base_url": "http://localhost:1", key: given_value}}})
    assert not given_value or given_value not in str(raw.value)
    with pytest.raises(ValidationError) as raw:
        Endpoint.model_validate({"base_url": "http://localhost:1", key: given_value})
    assert not given_value or given_value not in str(raw.value)


@pytest.mark.parametrize("name", ["HOUSE_KEY", "_k", "a9"])
def test_the_name_of_a_variable_is_taken(name):
    assert Endpoint(base_url="http://localhost:1", api_key_env=name).api_key_env == name


def test_a_key_in_a_field_that_there_is_not_is_not_repeated(tmp_path):
    path = tmp_path / "bindings.yaml"
    path.write_text(f"endpoints:\n  here: {{base_url: 'http://localhost:1', api_key: {PASTED}}}\n")
    with pytest.raises(SpecificationInvalid, match="api_key_env") as caught:
        read_bindings(path, Catalogue())
    assert PASTED not in "".join(traceback.format_exception(caught.value))
