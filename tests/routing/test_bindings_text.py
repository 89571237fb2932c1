from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exceptions import SpecificationInvalid
from harness.routing.binding_changes import differences
from harness.routing.bindings import Binding, BindingsFile
from harness.routing.bindings_text import bindings_put_into, bindings_text, read_bindings_text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Words that YAML reads as something else where nobody quotes them.
names = st.sampled_from(["gpt-5", "on", "null", "1.5", "a: b", "x #y", "- z", "qwen:7b;free", "'q", "ü{", "2026-01-01"])
bindings = st.builds(
    Binding,
    role=names,
    model=names,
    workflow=st.none() | names,
    endpoint=st.none() | names,
    fallback=st.just(()) | st.lists(st.sampled_from(["p", "q", "true"]), unique=True).map(tuple),
)
prices = st.fixed_dictionaries(
    {
        "input_usd_per_million": st.decimals(0, 1000, places=9).map(str),
        "output_usd_per_million": st.sampled_from(["1", "0.1234567890", "123456.123456789012"]),
        "source": names,
        "checked": st.just("2026-11-24"),
    }
)
models = st.fixed_dictionaries(
    {"endpoint": names, "wire_name": names, "context_tokens": st.integers(1, 10**6)},
    optional={
        "price": prices,
        "capabilities": st.lists(st.sampled_from(["tools", "streaming", "json_schema"]), unique=True),
        "also_at": st.lists(
            st.fixed_dictionaries(
                {"endpoint": names.map("other {}".format), "wire_name": names}, optional={"price": prices}
            ),
            max_size=2,
            unique_by=lambda each: each["endpoint"],
        ),
        "fallback": st.lists(names, unique=True, max_size=2),
    },
)
endpoints = st.fixed_dictionaries(
    {"base_url": st.just("http://localhost:1")}, optional={"quirks": st.dictionaries(names, st.booleans())}
)


@st.composite
def files(draw):
    return BindingsFile.model_validate(
        {
            "bindings": draw(st.lists(bindings, max_size=4, unique_by=lambda each: each.key)),
            "endpoints": draw(st.dictionaries(names, endpoints, max_size=2)),
            "models": draw(st.dictionaries(names, models, max_size=2)),
        }
    )


def reads_as(text):
    return read_bindings_text(text, name="text")[0]


@settings(deadline=None)
@given(files())
def test_what_is_written_reads_back_as_it_was(bound):
    assert differences(reads_as(bindings_text(bound)), bound) == ()


@settings(deadline=None)
@given(files(), files())
def test_put_into_any_file_all_that_is_in_force_is_there_and_nothing_of_the_catalogue_is_lost(there, in_force):
    written = reads_as(bindings_put_into(bindings_text(there), in_force, name="text").text)
    assert {each.key: each for each in written.bindings} == {each.key: each for each in in_force.bindings}
    assert written.models == {**there.models, **in_force.models}
    assert written.endpoints == {**there.endpoints, **in_force.endpoints}


@settings(deadline=None)
@given(files())
def test_putting_the_same_into_a_file_changes_no_byte(bound):
    text = bindings_text(bound)
    assert bindings_put_into(text, bound, name="text").text == text


@pytest.mark.parametrize("example", ["hello_workflow", "licence_audit"])
def test_an_example_s_file_keeps_every_byte_but_the_swapped_model_s(example):
    text = (EXAMPLES / example / "bindings.yaml").read_text(encoding="utf-8")
    bound = reads_as(text)
    first = bound.bindings[0]
    written = bindings_put_into(text, bound.with_binding(first.model_copy(update={"model": "other"})), name="text")
    assert written.kept_comments
    line = f"role: {first.role}, model: "
    assert written.text == text.replace(f"{line}{first.model}", f"{line}other", 1)


COMMENTED = """# top
bindings:
  # the writer
  - role: writer
    model: a   # cheap
  # the judge
  - role: judge
    model: b

# Places
endpoints:
  x: {base_url: 'http://a'}  # end
# bye
"""


def test_a_binding_is_added_after_the_last_and_before_the_next_part_s_comment():
    bound = reads_as(COMMENTED).with_binding(Binding(role="new", model="c"))
    written = bindings_put_into(COMMENTED, bound, name="text")
    assert written.kept_comments
    assert written.text == COMMENTED.replace("    model: b\n", "    model: b\n  - {role: new, model: c}\n")


def test_a_swapped_model_keeps_the_comment_on_its_line():
    bound = reads_as(COMMENTED).with_binding(Binding(role="writer", model="c"))
    assert bindings_put_into(COMMENTED, bound, name="text").text == COMMENTED.replace("model: a ", "model: c ")


def test_a_comment_within_what_is_taken_out_is_said_to_be_lost():
    written = bindings_put_into(COMMENTED, BindingsFile(bindings=(Binding(role="judge", model="b"),)), name="text")
    assert not written.kept_comments
    assert "# cheap" not in written.text
    assert "# Places" in written.text


def test_a_layout_that_lines_cannot_carry_is_written_anew_and_said_to_be():
    text = "# kept?\n{bindings: [{role: a, model: m}]}\n"
    written = bindings_put_into(text, BindingsFile(bindings=(Binding(role="a", model="n"),)), name="text")
    assert reads_as(written.text).bindings == (Binding(role="a", model="n"),)
    assert not written.kept_comments


def test_a_file_with_anchors_is_never_made_to_say_something_else():
    text = "bindings:\n  - &one {role: a, model: m}\n  - {role: b, model: m}\nendpoints: {}\n"
    wanted = BindingsFile(bindings=(Binding(role="a", model="n"), Binding(role="b", model="m")))
    assert differences(reads_as(bindings_put_into(text, wanted, name="text").text), wanted) == ()


def test_a_file_that_cannot_be_read_is_not_written_over():
    with pytest.raises(SpecificationInvalid, match="text:1:"):
        bindings_put_into("bindings: {role: a}\n", BindingsFile(), name="text")
