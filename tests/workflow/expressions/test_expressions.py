"""Conditions against a Python reference on generated trees, hostile texts, and what each mistake is told."""

import pickle
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.exceptions import ExpressionFailed, ExpressionInvalid, HarnessError
from harness.workflow.expressions import holds, json_equal, parse, value_of
from harness.workflow.expressions.parser import MAX_DEPTH
from harness.workflow.expressions.syntax import (
    Call,
    Compared,
    Comparison,
    Expression,
    Function,
    Items,
    Joined,
    Junction,
    Literal,
    Name,
    Negated,
    written,
)
from harness.workflow.expressions.tokens import MAX_CHARACTERS

NAMES = ("score", "risky", "title", "tags", "review", "review.verdict", "review.rank", "nothing", "review.x-1")

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | numbers | st.text(max_size=5)
values = st.recursive(plain, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3), max_leaves=6)  # fmt: skip
names = st.sampled_from(NAMES).map(Name)


def _composed(below):
    calls = st.builds(Call, st.sampled_from([Function.LEN, Function.LOWER]), below)
    return st.one_of(
        calls,
        st.builds(Call, st.just(Function.PRESENT), names),
        st.builds(Compared, st.sampled_from(Comparison), below, below),
        st.builds(Negated, below),
        st.builds(Joined, st.sampled_from(Junction), st.lists(below, min_size=2, max_size=3).map(tuple)),
        st.lists(below, max_size=3).map(lambda items: Items(tuple(items))),
    )


parts = st.recursive(plain.map(Literal) | names, _composed, max_leaves=8)
states = st.fixed_dictionaries(
    {},
    optional={
        "score": st.none() | numbers,
        "risky": st.booleans(),
        "title": st.text(max_size=5),
        "tags": st.lists(plain, max_size=3),
        "review": st.none() | st.fixed_dictionaries({}, optional={"verdict": plain, "rank": values, "x-1": plain}),
    },
)


class Missing(Exception):
    pass


def typed(value):
    """A value in which equality is JSON's: booleans cannot be mistaken for numbers."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("list", [typed(each) for each in value])
    if isinstance(value, dict):
        return ("object", {key: typed(each) for key, each in value.items()})
    return ("plain", value)


def reference(part, state):  # noqa: C901, PLR0911, PLR0912 - one case a kind of part
    """The same in other words, by Python's own operators."""
    match part:
        case Literal(value):
            return value
        case Items(items):
            return [reference(each, state) for each in items]
        case Name(name):
            head, *fields = name.split(".")
            here = state.get(head)
            for field in fields:
                if type(here) is not dict or field not in here:
                    raise Missing
                here = here[field]
            return here
        case Call(Function.PRESENT, name):
            try:
                return reference(name, state) is not None
            except Missing:
                return False
        case Call(Function.LEN, argument):
            value = reference(argument, state)
            if type(value) not in (str, list, dict):
                raise Missing
            return len(value)
        case Call(_, argument):
            value = reference(argument, state)
            if type(value) is not str:
                raise Missing
            return value.lower()
        case Negated(below):
            return not reference(below, state)
        case Joined(Junction.AND, below):
            return all(reference(each, state) for each in below)
        case Joined(_, below):
            return any(reference(each, state) for each in below)
        case Compared(operator, left, right):
            return compared(operator, reference(left, state), reference(right, state))


def compared(operator, left, right):
    if operator in ("==", "!="):
        return (typed(left) == typed(right)) is (operator == "==")
    if operator in ("in", "not in"):
        if type(right) is list:
            within = typed(left) in [typed(each) for each in right]
        elif type(right) in (str, dict) and type(left) is str:
            within = left in right
        else:
            raise Missing
        return within is (operator == "in")
    kinds = [{int: "number", float: "number", str: "text"}.get(type(each)) for each in (left, right)]
    if kinds[0] is None or kinds[0] != kinds[1]:
        raise Missing
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


@settings(max_examples=600, deadline=None)
@given(parts, states)
def test_a_condition_comes_to_what_python_makes_of_it_or_fails_where_python_would_guess(part, state):
    expression = Expression(part, written(part))
    try:
        expected = reference(part, state)
    except Missing:
        with pytest.raises(ExpressionFailed):
            value_of(expression, state)
    else:
        assert repr(value_of(expression, state)) == repr(expected)


@settings(max_examples=600, deadline=None)
@given(parts)
@example(Negated(Joined(Junction.OR, (Name("a"), Joined(Junction.AND, (Name("b"), Name("c")))))))
@example(Joined(Junction.AND, (Joined(Junction.AND, (Name("a"), Name("b"))), Name("c"))))
@example(Compared(Comparison.IN, Negated(Name("a")), Literal("\\'\"\n\t\x00\U000e0041")))
@example(Items((Literal(-0.0), Literal(1e22), Literal(5e-324), Literal(True), Literal(1))))
def test_what_is_written_reads_as_the_same_again(part):
    again = parse(written(part))
    assert again == Expression(part, "")
    assert str(again) == again.text == written(part)  # tells 1 from 1.0 and true, which Python takes for equal


@settings(max_examples=1000, deadline=None)
@given(st.text() | st.text(alphabet="abn.'\"\\()[],<>=! -+1eotrdi&|", max_size=60), states)
@example("(" * 1000, {})
@example("not " * 500 + "a", {})
@example("[" * 999 + "]" * 999, {})
@example("a and " * 300 + "a", {})
@example("a == " * 100 + "a", {})
@example("1" * 2000, {})
@example("-" * 2000, {})
@example("'" + "\\" * 1999, {})
@example("a" * 100_000, {})
@example("1e999", {})
@example("\ud800", {})
def test_any_text_is_read_or_refused_with_its_place_and_nothing_else_happens(text, state):
    try:
        holds(text, state)
    except (ExpressionInvalid, ExpressionFailed) as error:
        caught = error
    else:
        return
    assert 1 <= caught.column <= len(text) + 1
    assert str(caught).splitlines()[-1].endswith("^")


@given(st.lists(st.sampled_from(["score", "'x'", "1", "not", "in", "and", "or", "(", ")", "[", "]", ",", "<", "==", "len", "present"]), max_size=12), states)  # fmt: skip
def test_any_words_of_the_language_are_read_or_refused(words, state):
    with suppress(ExpressionInvalid, ExpressionFailed):
        holds(" ".join(words), state)


@given(values, values)
def test_equality_is_jsons_at_any_depth(one, other):
    assert json_equal(one, other) is (typed(one) == typed(other))
    assert json_equal(one, one)


def test_values_nested_beyond_pythons_own_limit_compare():
    def deep(innermost):
        nested = innermost
        for _ in range(100_000):
            nested = [nested]
        return nested

    assert json_equal(deep(1), deep(1.0))
    assert not json_equal(deep(1), deep(True))


STATE = {
    "score": 0.9,
    "count": 3,
    "risky": False,
    "title": "Überblick",
    "tags": ["a", 1, None],
    "review": {"verdict": "Good", "notes": [], "rank": None},
    "unset": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("score >= 0.8 and not risky", True),
        ("not score >= 0.8 or risky", False),
        ("risky or score > 0.5 and count == 3", True),
        ("(risky or score > 0.5) and count == 4", False),
        ("not risky == false", False),
        ("count == 3.0", True),
        ("count in [1, 2, 3]", True),
        ("count not in [1, 2, 3]", False),
        ("'rblick' in title", True),
        ("'verdict' in review and 'x' not in review", True),
        ("null in tags and 1 in tags and true not in tags", True),
        ("lower(review.verdict) == 'good'", True),
        ("len(tags) == 3 and len(title) > 8 and len(review) == 3", True),
        ("present(review.verdict)", True),
        ("present(review.rank) or present(review.x) or present(unset) or present(unset.x) or present(never)", False),
        ("unset == null and review.rank == null and never == null", True),
        ("present(review.x) and review.x > 3", False),
        ("risky and review.x > 3", False),
        ("tags == ['a', 1, null] and tags != ['a', true, null]", True),
        ("count > -1 and -1.5e2 < count", True),
        ('title == "Überblick" and \'it\\\'s\\n\' != "its"', True),
        ("'a' < 'b'\n  and 'Z' < 'a'", True),
    ],
)
def test_what_conditions_say(text, expected):
    assert holds(text, STATE) is expected


@pytest.mark.parametrize("true", [True, 1, "x", [0], {"a": None}, -0.5])
@pytest.mark.parametrize("false", [False, None, 0, "", [], {}])
def test_a_bare_name_holds_where_it_is_not_false_null_zero_or_empty(true, false):
    assert holds("k", {"k": true})
    assert not holds("k", {"k": false})
    assert not holds("k", {})
    assert holds("k.f", {"k": {"f": true}})
    assert not holds("k.f", {"k": {"f": false}})


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "something is missing here"),
        ("score > ", 9, "something is missing here"),
        ("score > > 1", 9, "'>' stands where a name, a value or `(` could be"),
        ("score 3", 7, "'3' stands where `and`, `or`, a comparison or the end could be"),
        ("score = 3", 7, "'=' is not known here: write `==`"),
        ("score === 3", 7, "write `==`"),
        ("a && b", 3, "write `and`"),
        ("a || b", 3, "write `or`"),
        ("!a", 1, "write `not`"),
        ("a == True", 6, "write `true`"),
        ("a == None", 6, "write `null`"),
        ("a AND b", 3, "write `and`"),
        ("a == Yes", 6, "'Yes' is no part of a condition; names are lower case"),
        ("a + 1 > 2", 3, "there is no arithmetic"),
        ("a -1", 3, "'-1' stands where"),
        ("1 < a < 3", 7, "comparisons do not chain: write `a < b and b < c`"),
        ("a == b == c", 8, "comparisons do not chain"),
        ("a == not b", 6, "write `not (a == b)`"),
        ("(a and b", 9, "`)` is missing here; `(` at column 1 is open"),
        ("a)", 2, "')' stands where"),
        ("a in [1, 2", 11, "`]` is missing here; `[` at column 6 is open"),
        ("a in [1,]", 9, "']' stands where a name"),
        ("len(a", 6, "`)` is missing here; `(` at column 4 is open"),
        ("length(a)", 1, "no function 'length'; did you mean `len`?"),
        ("exec(a)", 1, "no function 'exec'; there is len, lower, present"),
        ("present('a')", 1, "`present` is asked of a state key"),
        ("a == 'x", 6, "a text that does not end"),
        ("a == 'x\\q'", 8, "no escape: a text knows"),
        ("a == 1e999", 6, "a number too large"),
        ("a == 3kg", 6, "'3kg' is no number"),
        ("a == 1_000", 6, "'1_000' is no number"),
        ("a.", 2, "'.' is no part of a condition"),
        ("_visits", 1, "is no part of a condition"),
        ("a.__class__.x(1)", 1, "no function 'a.__class__.x'"),
        ("[x for x in a]", 4, "`]` is missing here"),
        ("a['x']", 2, "'[' stands where"),
        ("a in", 5, "something is missing"),
        ("a not b", 3, "'not' stands where"),
        ("a ;", 3, "';' is no part of a condition"),
    ],
)
def test_a_mistake_is_told_with_its_column_and_what_mends_it(text, column, reason):
    with pytest.raises(ExpressionInvalid) as caught:
        parse(text)
    assert (caught.value.text, caught.value.column) == (text, column)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("unset > 3", 7, "`>` compares two numbers or two texts, not null with a number: ask first, `present(unset) and ...`"),
        ("3 <= unset", 3, "not a number with null: ask first, `present(unset) and ...`"),
        ("score > 'x'", 7, "not a number with a text"),
        ("risky < 1", 7, "not a boolean with a number"),
        ("tags < tags", 6, "not a list with a list"),
        ("review.x == 1", 1, "'review' has no field 'x': ask first, `present(review.x) and ...`"),
        ("true and unset.x", 10, "'unset' is null and has no field 'x': ask first"),
        ("review.verdict.x", 1, "'review.verdict' is a text and has no field 'x'"),
        ("review.__class__", 1, "'review' has no field '__class__'"),
        ("len(unset) == 1", 1, "`len` takes a text, a list or an object, not null: ask first"),
        ("lower(count) == 'x'", 1, "`lower` takes a text, not a number"),
        ("'a' in unset", 5, "`in` looks into a list, a text or an object, not into null: ask first, `present(unset)"),
        ("'a' in 5", 5, "not into a number"),
        ("1 in title", 3, "only a text can be in a text, not a number"),
        ("1 not in review", 3, "only a text can be in an object, not a number"),
    ],
)  # fmt: skip
def test_null_and_what_does_not_fit_fail_at_their_place(text, column, reason):
    with pytest.raises(ExpressionFailed) as caught:
        holds(text, STATE)
    assert caught.value.column == column
    assert reason in caught.value.reason


def test_errors_point_at_their_column_on_one_line_and_survive_a_process_boundary():
    with pytest.raises(ExpressionInvalid) as caught:
        parse("score >=\n\t= 0.8")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.text, error.column, error.reason) == (caught.value.text, 11, caught.value.reason)
    assert isinstance(error, HarnessError)
    assert not error.retryable
    first, text, caret = str(error).splitlines()
    assert first.startswith("no condition, column 11: '='")
    assert text[caret.index("^")] == "="
    with pytest.raises(ExpressionFailed) as failed:
        holds("true and " * 40 + "unset < 1", STATE)
    _, text, caret = str(pickle.loads(pickle.dumps(failed.value))).splitlines()
    assert text[caret.index("^")] == "<"
    assert len(text) < 110


def test_length_and_depth_are_bounded_and_reach_what_people_write():
    assert holds("(" * (MAX_DEPTH - 1) + "true" + ")" * (MAX_DEPTH - 1), {})
    with pytest.raises(ExpressionInvalid, match="nested deeper"):
        parse("(" * MAX_DEPTH + "true" + ")" * MAX_DEPTH)
    long = " or ".join(["false"] * 200) + " or true"
    assert len(long) < MAX_CHARACTERS
    assert holds(long, {})
    with pytest.raises(ExpressionInvalid, match="longer than 2,000"):
        parse("a" * (MAX_CHARACTERS + 1))


def test_names_come_once_and_in_the_order_they_are_said():
    expression = parse("b.x > 1 and present(a) or not [c, b.x] == d and len(b) < 3")
    assert expression.names() == ("b.x", "a", "c", "d", "b")


def test_columns_rise_with_the_text():
    root = parse("a == 1 and (b in [c, d]) or len(e) > 2").root
    assert isinstance(root, Joined)
    (first, second) = root.parts
    columns = [first.parts[0].left.column, first.parts[0].column, first.parts[1].left.column, root.column]
    columns += [second.left.column, second.column]
    assert all(one < other for one, other in pairwise(columns))
