import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from examples.licence_audit.checks import Classification, check, decide, doubts
from examples.licence_audit.excerpts import questions
from examples.licence_audit.inventory import inventory
from examples.licence_audit.obligations import Duties, Duty, licence_texts, quoted
from examples.licence_audit.report import report
from examples.licence_audit.visible_text import markdown_cell, visible_line
from harness.workflow.nodes.node_context import BudgetUse, ModelAnswer, RunCosts
from tests.examples.licence_samples import APACHE, BSD_3, GPL_3, MIT

QUOTE = "The above copyright notice and this permission notice shall be included in all copies"
NOTHING = RunCosts(
    calls=3, input_tokens=9, output_tokens=3, usd=Decimal("0.002"), completed=0, failed=3, usd_per_completed=None
)


@pytest.fixture
def audit(site, install, context):
    """The whole audit of three packages, with the answers a model could give."""

    def audit(first=("MIT", "BSD-3-Clause", "MIT"), second=("Apache-2.0",)):
        install("agreeing", {"LICENSE": MIT + GPL_3}, "License-Expression: MIT")
        install("bound", {"LICENSE": APACHE}, "License-Expression: Apache-2.0")
        install("cut", {"LICENSE": MIT + "x" * 300_000})
        packages = list(inventory(site_packages=str(site)))
        asked = list(questions(packages))
        checked = list(check(packages, asked, [Classification(license=each) for each in first]))
        refused = list(doubts(packages, checked))
        verdicts = list(decide(packages, checked, refused, [Classification(license=each) for each in second]))
        texts = list(licence_texts(packages, verdicts))
        said = (Duty(duty="Keep the notice.", quote=QUOTE), Duty(duty="Pay.", quote="You shall pay a fee"))
        answers = [Duties(duties=said) if each.spdx == "MIT" else None for each in texts]
        here = context(
            classify=tuple(ModelAnswer("small", 1) for _ in asked),
            review=tuple(ModelAnswer("large", 2) for _ in refused),
        )
        place = report(packages, asked, refused, verdicts, list(quoted(packages, texts, answers)), here)
        folder = here.working_folder / "licence-audit"
        with (folder / "report.json").open(encoding="utf-8") as file:
            return place, json.load(file), (folder / "report.md").read_text(encoding="utf-8")

    return audit


def test_the_shape_others_rely_on(audit):
    _, made, _ = audit()
    keys = ("name", "declared", "found", "verdict", "by_model", "attempts")
    assert [{key: line[key] for key in keys} for line in made["packages"]] == [
        dict(zip(keys, values, strict=True))
        for values in (
            ("agreeing", "MIT", "MIT", "agreed", "small", 1),
            ("bound", "Apache-2.0", "Apache-2.0", "agreed", "large", 3),
            ("cut", None, "MIT", "undeclared", "small", 1),
        )
    ]
    assert made["run_id"] == "run-1"
    assert {
        key: made["totals"][key] for key in ("calls", "input_tokens", "output_tokens", "usd", "usd_per_completed")
    } == {
        "calls": 5,
        "input_tokens": 1200,
        "output_tokens": 60,
        "usd": 0.000300001,
        "usd_per_completed": 0.00015,
    }


def test_the_agreement_counts_answers_against_declarations(audit):
    _, made, text = audit()
    assert made["agreement"] == {"declared": 2, "first_answer_right": 1, "last_answer_right": 2, "accepted": 2}
    assert "the first answer was right for 1 of 2" in text


def test_every_package_ends_its_task_before_the_costs_are_read(audit, ledger):
    audit(second=("MIT",))
    assert ledger.said == [
        ("package_licence", "agreeing", True, "verdict agreed"),
        ("package_licence", "bound", False, "verdict needs_person"),
        ("package_licence", "cut", True, "verdict undeclared"),
    ]


def test_what_needs_a_person_is_listed_with_the_reason_and_finds_nothing(audit):
    place, made, text = audit(second=("MIT",))
    line = made["packages"][1]
    assert (line["found"], line["verdict"], line["answers"]) == (None, "needs_person", ["BSD-3-Clause", "MIT"])
    section = text.split("## Needs a person")[1].split("##")[0]
    assert "MIT was answered, but Apache-2.0 is declared" in section
    assert place.needs_person == 1


def test_none_completed_is_never_zero_dollars(audit, ledger):
    ledger.costs_of_run = NOTHING
    _, made, text = audit(first=("ISC", "ISC", "ISC"), second=("ISC", "ISC", "ISC"))
    assert made["totals"]["usd_per_completed"] is None
    assert "Cost a completed task: none completed (0 completed, 3 not)" in text
    assert "$0.002." in text


def test_a_copyleft_text_is_warned_of_though_another_licence_was_found(audit):
    _, made, text = audit()
    assert made["copyleft"] == [
        {"package": "agreeing", "spdx": "GPL-3.0", "copyleft": "strong", "basis": "its words stand in the text"}
    ]
    assert "GPL-3.0" in text.split("## Copyleft")[1].split("##")[0]


def test_obligations_come_with_their_quotes_and_refused_ones_are_counted(audit):
    _, made, text = audit()
    assert [(each["spdx"], each["quote"]) for each in made["obligations"]] == [("MIT", QUOTE)]
    assert made["quotes_refused"] == 1
    assert "the quote is not in the text or obliges to nothing: 1." in text


def test_files_out_of_the_ordinary_are_listed(audit):
    _, made, _ = audit()
    assert [(each["package"], each["status"]) for each in made["files"]] == [("cut", "cut")]


def test_the_budget_used_is_shown(audit, ledger):
    ledger.budgets_of_run = (
        BudgetUse(
            "person:ada", "usd", "week", Decimal(5), Decimal("0.25"), Decimal(0), datetime(2026, 11, 30, tzinfo=UTC)
        ),
    )
    _, made, text = audit()
    assert made["budgets"][0]["limit"] == 5
    assert "0.25 of 5 usd" in text
    assert "2026-11-30T00:00:00+00:00" in text


def test_the_report_is_replaced_whole_and_leaves_no_draft(audit, context):
    folder = context().working_folder / "licence-audit"
    folder.mkdir(parents=True)
    precious = folder.parent / "precious"
    precious.write_text("kept", encoding="utf-8")
    (folder / "report.md").symlink_to(precious)
    audit()
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]
    assert precious.read_text(encoding="utf-8") == "kept"


def test_names_and_words_cannot_pose_as_the_reports_own(site, install, context):
    install("evil", {"LICENSE": BSD_3}, said="ev\u202eil\x1b[2J|[x](http://evil)")
    install("v", {"LICENSE": BSD_3}, version="1\u2066")
    packages = list(inventory(site_packages=str(site)))
    asked = list(questions(packages))
    checked = list(check(packages, asked, [None, None]))
    here = context(classify=(ModelAnswer(None, 1), ModelAnswer(None, 1)))
    report(packages, asked, [], checked, [], here)
    for name in ("report.md", "report.json"):
        text = (here.working_folder / "licence-audit" / name).read_text(encoding="utf-8")
        assert not {"\u202e", "\x1b", "\u2066"} & set(text)
        assert "http://evil" not in text


def test_what_is_hidden_is_written_out():
    assert visible_line("a\u202eb\x1bc\nd\u200de") == r"a\u202eb\u001bc d\u200de"
    assert markdown_cell("a|b [c](d) <e>") == r"a\|b \[c\](d) \<e\>"
