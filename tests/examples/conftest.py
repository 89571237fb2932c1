"""Real installed-looking folders, the standard texts, and a ledger that remembers what it is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from harness.workflow.nodes.node_context import BudgetUse, ModelAnswer, NodeContext, RunCosts

Install = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    return folder


@pytest.fixture
def install(site: Path) -> Install:
    """Put a distribution's metadata and licence files in place."""

    def install(
        name: str,
        files: dict[str, str | bytes] | None = None,
        *headers: str,
        version: str = "1.0",
        said: str | None = None,
    ) -> Path:
        folder = site / f"{name}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {said or name}", f"Version: {version}", *headers]
        (folder / "METADATA").write_text("\n".join(lines) + "\n\n", encoding="utf-8", errors="surrogateescape")
        for path, content in (files or {}).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return install


@dataclass
class NotedLedger:
    """Answers with what the test says, and notes the outcomes in order."""

    costs_of_run: RunCosts = field(
        default_factory=lambda: RunCosts(
            calls=5,
            input_tokens=1200,
            output_tokens=60,
            usd=Decimal("0.000300001"),
            completed=2,
            failed=1,
            usd_per_completed=Decimal("0.0001500005"),
        )
    )
    budgets_of_run: tuple[BudgetUse, ...] = ()
    answers_of_run: dict[str, tuple[ModelAnswer, ...]] = field(default_factory=dict)
    said: list[tuple[str, str, bool, str]] = field(default_factory=list)

    def outcome(self, kind: str, key: str, *, success: bool, evidence: str, value_usd: Decimal | None = None) -> None:
        assert value_usd is None
        self.said.append((kind, key, success, evidence))

    def costs(self, kind: str | None = None) -> RunCosts:
        assert kind == "package_licence"
        assert self.said, "outcomes are said before the costs are read"
        return self.costs_of_run

    def budgets(self) -> tuple[BudgetUse, ...]:
        return self.budgets_of_run

    def answers(self) -> dict[str, tuple[ModelAnswer, ...]]:
        return self.answers_of_run


@pytest.fixture
def ledger() -> NotedLedger:
    return NotedLedger()


@pytest.fixture
def context(tmp_path: Path, ledger: NotedLedger) -> Callable[..., NodeContext]:
    def context(**answers: tuple[ModelAnswer, ...]) -> NodeContext:
        ledger.answers_of_run = answers
        return NodeContext(
            run_id="run-1",
            workflow="licence_audit",
            node="report",
            organisation="acme",
            person="ada",
            working_folder=tmp_path / "work",
            project_folder=tmp_path,
            ledger=ledger,
        )

    return context
