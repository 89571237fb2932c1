import hashlib
from pathlib import Path

from examples import licence_audit
from examples.licence_audit.checks import Classification, check, decide, doubts
from examples.licence_audit.excerpts import questions
from examples.licence_audit.findings import findings
from examples.licence_audit.inventory import inventory
from examples.licence_audit.obligations import Duties, Duty, licence_texts, quoted
from harness.workflow.nodes.node_context import ModelAnswer
from ontology.schema import load_schema
from tests.examples.licence_samples import APACHE, MIT

QUOTE = "The above copyright notice and this permission notice shall be included in all copies"
ID = f"MIT/{hashlib.sha256(QUOTE.encode()).hexdigest()[:12]}"


def made(site, install, context):
    install("a", {"LICENSE": MIT}, "License-Expression: MIT")
    install("b", {"LICENSE": APACHE}, "License-Expression: Apache-2.0")
    packages = list(inventory(site_packages=str(site)))
    asked = list(questions(packages))
    checked = list(check(packages, asked, [Classification(license="MIT"), Classification(license="BSD-3-Clause")]))
    refused = list(doubts(packages, checked))
    verdicts = list(decide(packages, checked, refused, [None]))
    texts = list(licence_texts(packages, verdicts))
    duties = list(quoted(packages, texts, [Duties(duties=(Duty(duty="Keep the notice.", quote=QUOTE),))]))
    here = context(
        classify=(ModelAnswer("small", 1), ModelAnswer("small", 1)),
        review=(ModelAnswer(None, 3),),
        obligations=(ModelAnswer("clever", 1),),
    )
    return findings(packages, asked, refused, verdicts, texts, duties, here)


def test_a_record_a_finding_says_its_source_its_model_and_its_quote(site, install, context):
    found = made(site, install, context).records
    assert [(each.text, each.source, each.model, each.subjects) for each in found] == [
        (
            "a 1.0 is under MIT (agreed: agrees with License-Expression, and the text shows it)",
            "a 1.0 LICENSE",
            "small",
            ("Package:a", "License:MIT"),
        ),
        (
            "b 1.0: the licence is open and needs a person: no answer in the asked shape",
            "b 1.0 LICENSE",
            "small",
            ("Package:b",),
        ),
        ("MIT asks: Keep the notice.", "a 1.0 LICENSE", "clever", ("License:MIT", f"Obligation:{ID}")),
    ]
    assert found[2].quote == QUOTE


def test_only_accepted_licences_are_linked(site, install, context):
    links = made(site, install, context).links
    assert [(each.subject, each.link, each.object, each.model) for each in links] == [
        ("Package:a", "has_licence", "License:MIT", "small"),
        ("License:MIT", "imposes", f"Obligation:{ID}", "clever"),
    ]


def test_everything_fits_the_ontology(site, install, context):
    schema = load_schema(Path(licence_audit.__file__).parent / "ontology.yaml")
    found = made(site, install, context)
    for entity in found.entities:
        kind = schema.types[entity.type]
        assert set(kind.identity) <= entity.properties.keys() <= kind.properties.keys()
    for link in found.links:
        kind = schema.types[link.subject.split(":")[0]]
        assert kind.links[link.link].range == link.object.split(":")[0]


def test_the_same_finding_has_the_same_place(site, install, context):
    places = [(each.source, each.place) for each in made(site, install, context).records]
    assert len(places) == len(set(places))
