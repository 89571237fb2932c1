"""What the audit learned, as the memory keeps it: entities and links of `ontology.yaml`, and a record a finding.

Every finding names the package, its version and licence file as its source, and the model that said it. What was not
accepted is remembered as open, without a licence.
"""

import hashlib
from collections.abc import Iterator, Sequence

from harness.workflow.nodes.findings import EntityFinding, Findings, LinkFinding, RecordFinding
from harness.workflow.nodes.node_context import NodeContext

from .authorship import Author, authors_of
from .checks import Check, Doubt
from .excerpts import Question
from .inventory import Package
from .licences import known_licences
from .obligations import LicenceText, Obligation, ObligationsOfLicence
from .visible_text import visible_line


def findings(
    packages: list[Package],
    questions: list[Question],
    doubts: list[Doubt],
    verdicts: list[Check],
    texts: list[LicenceText],
    obligations: list[ObligationsOfLicence],
    context: NodeContext,
) -> Findings:
    """Everything for the memory, in the packages' order, then the licences'."""
    authors = authors_of(questions, doubts, context.answers)
    by_name = {package.name: package for package in packages}
    analysts = dict(zip((text.spdx for text in texts), context.answers.get("obligations", ()), strict=True))
    found = [(verdict, by_name[verdict.name], authors.get(verdict.name)) for verdict in verdicts]
    kept = [(each, analysts[of.spdx].model, by_name[each.package]) for of in obligations for each in of.kept]
    return Findings(
        records=(
            *(_package_record(*each) for each in found),
            *(_obligation_record(*each) for each in kept),
        ),
        entities=(
            *(_package_entity(package) for package in packages),
            *_licence_entities(verdicts, by_name),
            *(_obligation_entity(each, package) for each, _, package in kept),
        ),
        links=(
            *(link for each in found for link in _package_links(*each)),
            *(_obligation_link(*each) for each in kept),
        ),
    )


def source_of(package: Package) -> str:
    """Name, version and the licence file that was read first."""
    read = next((file.path for file in package.files if file.encoding is not None), "no licence text")
    return visible_line(f"{package.name} {package.version} {read}")


def obligation_id(obligation: Obligation) -> str:
    """The licence and a digest of the words it rests on, so that one duty found twice is one thing."""
    return f"{obligation.spdx}/{hashlib.sha256(obligation.quote.encode()).hexdigest()[:12]}"


def _package_record(verdict: Check, package: Package, author: Author | None) -> RecordFinding:
    if verdict.found is None:
        said = f"{verdict.name} {verdict.version}: the licence is open and needs a person: {verdict.reason}"
    else:
        said = f"{verdict.name} {verdict.version} is under {verdict.found} ({verdict.verdict.value}: {verdict.reason})"
    licence = [f"License:{verdict.found}"] if verdict.found else []
    return RecordFinding(
        text=visible_line(said),
        source=source_of(package),
        place="licence",
        quote=_first_words(package.text),
        model=author.model if author else None,
        subjects=(f"Package:{verdict.name}", *licence),
        trust="inferred",
    )


def _obligation_record(obligation: Obligation, model: str | None, package: Package) -> RecordFinding:
    return RecordFinding(
        text=visible_line(f"{obligation.spdx} asks: {obligation.duty}"),
        source=source_of(package),
        place=f"obligation {obligation_id(obligation)}",
        quote=obligation.quote,
        model=model,
        subjects=(f"License:{obligation.spdx}", f"Obligation:{obligation_id(obligation)}"),
        trust="inferred",
    )


def _package_entity(package: Package) -> EntityFinding:
    properties = {"name": package.name, "version": package.version}
    if package.declared.expression:
        properties["declared"] = package.declared.expression
    return EntityFinding(type="Package", properties=dict(properties), name=package.name, source=source_of(package))


def _licence_entities(verdicts: Sequence[Check], by_name: dict[str, Package]) -> Iterator[EntityFinding]:
    first = {verdict.found: verdict.name for verdict in reversed(verdicts) if verdict.found is not None}
    for spdx, name in sorted(first.items()):
        licence = known_licences().by_answer(spdx)
        assert licence is not None
        properties = {"spdx": spdx, "copyleft": licence.copyleft.value}
        yield EntityFinding(type="License", properties=dict(properties), name=spdx, source=source_of(by_name[name]))


def _obligation_entity(obligation: Obligation, package: Package) -> EntityFinding:
    return EntityFinding(
        type="Obligation",
        properties={
            "id": obligation_id(obligation),
            "duty": visible_line(obligation.duty),
            "quote": visible_line(obligation.quote),
        },
        name=visible_line(obligation.duty),
        source=source_of(package),
    )


def _package_links(verdict: Check, package: Package, author: Author | None) -> Iterator[LinkFinding]:
    if verdict.found is not None:
        yield LinkFinding(
            subject=f"Package:{verdict.name}",
            link="has_licence",
            object=f"License:{verdict.found}",
            source=source_of(package),
            quote=_first_words(package.text),
            model=author.model if author else None,
        )


def _obligation_link(obligation: Obligation, model: str | None, package: Package) -> LinkFinding:
    return LinkFinding(
        subject=f"License:{obligation.spdx}",
        link="imposes",
        object=f"Obligation:{obligation_id(obligation)}",
        source=source_of(package),
        quote=obligation.quote,
        model=model,
    )


def _first_words(text: str) -> str | None:
    """The start of the text as it stands there, without what a database would refuse."""
    return visible_line(text[:200]).strip() or None
