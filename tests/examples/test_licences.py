import json
from pathlib import Path

import pytest

from examples import licence_audit
from examples.licence_audit.expressions import agrees, canonical, one_answer_can_agree, parse
from examples.licence_audit.licences import known_licences, words_of
from tests.examples.licence_samples import APACHE, BSD_2, BSD_3, GPL_3, ISC, MIT, MPL

TEXTS = {
    "MIT": MIT,
    "BSD-2-Clause": BSD_2,
    "BSD-3-Clause": BSD_3,
    "ISC": ISC,
    "Apache-2.0": APACHE,
    "MPL-2.0": MPL,
    "GPL-3.0": GPL_3,
}


@pytest.mark.parametrize("spdx", TEXTS)
def test_a_text_shows_itself_as_its_own_licence_and_no_other(spdx):
    assert known_licences().shown_in(words_of(TEXTS[spdx])) == (spdx,)


@pytest.mark.parametrize("spdx", TEXTS)
def test_line_breaks_case_and_marks_make_no_difference(spdx):
    text = "\n".join(f" * {line.upper()}" for line in TEXTS[spdx].splitlines())
    assert known_licences().shown_in(words_of(text)) == (spdx,)


@pytest.mark.parametrize("end", [40, 90])
def test_a_text_that_breaks_off_shows_nothing(end):
    assert all(known_licences().shown_in(words_of(text[:end])) == () for text in TEXTS.values())


def test_the_doubt_names_the_words_that_decide():
    apache = words_of(APACHE)
    doubt = known_licences().by_answer("BSD-3-Clause").doubt(apache)
    assert doubt == (
        "the text lacks 'redistribution and use in source and binary forms, with or without modification', "
        "which BSD-3-Clause holds"
    )
    assert "endorse" in known_licences().by_answer("BSD-2-Clause").doubt(words_of(BSD_3))


def test_a_word_that_only_begins_alike_is_not_the_phrase():
    assert known_licences().by_answer("CC0-1.0").doubt(words_of("CC0 1.0 universalist affirmers")) is not None


def test_the_schema_offers_exactly_the_licences_that_are_known():
    folder = Path(licence_audit.__file__).parent
    schema = json.loads((folder / "schemas" / "classification.json").read_text(encoding="utf-8"))
    assert tuple(schema["properties"]["license"]["enum"]) == known_licences().answers


def test_no_two_licences_claim_one_name():
    claims = [name.casefold() for each in known_licences().licences for name in {each.spdx, *each.covers, *each.names}]
    assert len(claims) == len(set(claims))


@pytest.mark.parametrize(
    ("expression", "agreeing"),
    [
        ("MIT", {"MIT"}),
        ("MIT OR Apache-2.0", {"MIT", "Apache-2.0"}),
        ("MIT AND Apache-2.0", set()),
        ("MIT OR Apache-2.0 AND Zlib", {"MIT"}),
        ("(MIT OR Apache-2.0) AND (MIT OR Zlib)", {"MIT"}),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", {"GPL-2.0"}),
        ("LGPL-3.0-only", {"LGPL-3.0"}),
        ("GPL-3.0+", {"GPL-3.0"}),
        ("LicenseRef-Own", set()),
        ("LicenseRef-Own OR ISC", {"ISC"}),
    ],
)
def test_which_answers_agree_with_an_expression(expression, agreeing):
    tree = parse(canonical(expression))
    assert {each.spdx for each in known_licences().licences if agrees(tree, each)} == agreeing
    assert one_answer_can_agree(tree) is bool(agreeing)


@pytest.mark.parametrize("broken", ["MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", ""])
def test_a_broken_tree_is_refused(broken):
    with pytest.raises(ValueError):
        parse(broken)
