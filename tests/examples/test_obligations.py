from examples.licence_audit.checks import Classification, check
from examples.licence_audit.excerpts import PASSAGE_CHARACTERS, duty_passage, questions
from examples.licence_audit.inventory import inventory
from examples.licence_audit.obligations import Duties, Duty, licence_texts, quoted
from tests.examples.licence_samples import APACHE, MIT

QUOTE = "The above copyright notice and this permission notice shall be included in all copies"


def audited(site, install):
    for name in ("a", "b"):
        install(name, {"LICENSE": MIT})
    install("c", {"LICENSE": APACHE})
    packages = list(inventory(site_packages=str(site)))
    answers = [Classification(license=each) for each in ("MIT", "MIT", "BSD-3-Clause")]
    return packages, list(check(packages, list(questions(packages)), answers))


def kept(site, install, *duties):
    packages, verdicts = audited(site, install)
    answers = [Duties(duties=tuple(Duty(duty=duty, quote=quote) for duty, quote in duties))]
    return quoted(packages, list(licence_texts(packages, verdicts)), answers)[0]


def test_each_accepted_licence_is_asked_about_once(site, install):
    packages, verdicts = audited(site, install)
    assert [(each.spdx, each.package) for each in licence_texts(packages, verdicts)] == [("MIT", "a")]


def test_a_quote_that_stands_in_the_text_is_kept_whatever_its_line_breaks(site, install):
    made = kept(site, install, ("Keep the notice.", QUOTE.replace(" ", "\n  ")))
    assert [each.quote for each in made.kept] == [QUOTE]
    assert made.refused == 0


def test_a_quote_that_is_not_in_the_text_is_refused_and_counted(site, install):
    made = kept(
        site,
        install,
        ("Pay us.", "You must pay a fee to the author"),
        ("Keep the notice.", QUOTE.upper()),
        ("Keep it.", "copyright notice"),
        ("Nothing.", ""),
        (" ", QUOTE),
    )
    assert (made.kept, made.refused) == ((), 5)


def test_one_quote_counts_once(site, install):
    made = kept(site, install, ("Keep it.", QUOTE), ("Keep it again.", QUOTE))
    assert (len(made.kept), made.refused) == (1, 1)


def test_no_answer_is_no_duty(site, install):
    packages, verdicts = audited(site, install)
    (made,) = quoted(packages, list(licence_texts(packages, verdicts)), [None])
    assert (made.kept, made.refused, made.answered) == ((), 0, False)


def test_a_quote_that_obliges_to_nothing_is_refused(site, install):
    made = kept(site, install, ("Be of that name.", "Permission is hereby granted, free of charge"))
    assert (made.kept, made.refused) == ((), 1)


def test_the_passage_is_the_sentences_that_oblige_as_they_stand():
    filler = "\n\n".join("Nothing is said in this part of it." for _ in range(200))
    assert duty_passage(f"{filler}\n\n{APACHE}\n\n{filler}") == (
        "You must give any other recipients of the Work or Derivative Works a copy of this License."
    )
    assert len(duty_passage("you must\n\n" * 5000)) <= PASSAGE_CHARACTERS
    assert duty_passage("") == ""


def test_a_text_that_obliges_to_nothing_is_shown_from_its_start():
    assert duty_passage("Do what you like.\n" * 3) == "Do what you like. Do what you like. Do what you like."
