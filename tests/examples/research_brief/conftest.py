"""A folder of documents, an environment of packages, and a ledger that answers."""

from decimal import Decimal

import pytest

from examples.research_brief.library import gather
from harness.workflow.nodes.node_context import NodeContext, RunCosts

COSTS = RunCosts(
    calls=6,
    input_tokens=6101,
    output_tokens=773,
    usd=Decimal("0.0204435"),
    completed=0,
    failed=0,
    usd_per_completed=None,
)


class Ledger:
    """What a run has cost; how often it was asked is counted."""

    def __init__(self):
        self.asked = 0

    def costs(self, _kind=None):
        self.asked += 1
        return COSTS


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "project" / "docs"
    folder.mkdir(parents=True)
    (folder / "gate.md").write_text("# The gate\n\n## Hours\n\nThe gate opens at\nnine and closes at five.\n")
    return folder


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


@pytest.fixture
def install(site):
    def install(name, readme):
        (site / f"{name}-1.0.dist-info").mkdir()
        head = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n\n"
        (site / f"{name}-1.0.dist-info" / "METADATA").write_text(head + readme, encoding="utf-8")

    return install


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def context(tmp_path, docs, ledger):
    """A run in a working folder, of a project that lies below its documents."""
    return NodeContext(
        run_id="run1",
        workflow="research_brief",
        node="n",
        organisation="acme",
        person="ada",
        working_folder=tmp_path / "work",
        project_folder=docs.parent / "examples" / "research_brief",
        ledger=ledger,
    )


@pytest.fixture
def gathered(context, site):
    """The run has settled what it searches; called again where there is more."""

    def gathered(folder=None):
        return gather(folder, str(site), context)

    return gathered
