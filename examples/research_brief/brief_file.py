"""The tool `write_brief`: `research-brief/brief.md` and `brief.json` in the working folder, the workflow's one effect.

It is called with what a person has seen and approved, and nothing else. The costs come from the ledger alone.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict

from harness.json_values import JsonObject
from harness.workflow.nodes.node_context import NodeContext, RunCosts

from .citations import CheckedBrief
from .markdown_text import markdown_line
from .whole_files import FOLDER, write_whole


class BriefPlace(BaseModel):
    """Where the brief is, and what it comes to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    written: bool
    markdown: str
    json_file: str
    paragraphs: int
    refused: int


def write_brief(brief: CheckedBrief, idempotency_key: str, context: NodeContext) -> BriefPlace:
    """Writes an approved brief to research-brief/brief.md and brief.json.

    Called again under the same key it leaves the files as they are.
    """
    folder = context.working_folder / FOLDER
    place = BriefPlace(
        written=True,
        markdown=str(folder / "brief.md"),
        json_file=str(folder / "brief.json"),
        paragraphs=len(brief.paragraphs),
        refused=len(brief.refused),
    )
    if _key_of(folder / "brief.json") != idempotency_key:
        costs = context.ledger.costs()
        write_whole(folder / "brief.md", markdown(brief, costs, context.run_id))
        # Last: where this file names the key, the other is there too.
        write_whole(folder / "brief.json", _as_json(brief, costs, context.run_id, idempotency_key))
    return place


def markdown(brief: CheckedBrief, costs: RunCosts, run_id: str) -> str:
    """The brief as a person reads it; no word of a model or a document is markup."""
    paragraphs = [
        f"{markdown_line(each.text)} {''.join(f'[{number}]' for number in each.citations)}" for each in brief.paragraphs
    ]
    sources = [
        f"{each.number}. {markdown_line(each.source)}: \u201c{markdown_line(each.quote)}\u201d"
        for each in brief.citations
    ]
    refused = [f"- {markdown_line(each.text)} ({markdown_line('; '.join(each.reasons))})" for each in brief.refused]
    parts = [
        f"# {markdown_line(brief.topic)}",
        *paragraphs,
        "## Sources\n\n" + "\n".join(sources),
    ]
    if refused:
        parts.append("## Refused\n\nA citation of these does not stand.\n\n" + "\n".join(refused))
    return "\n\n".join([*parts, "---", _footer(costs, run_id)]) + "\n"


def _footer(costs: RunCosts, run_id: str) -> str:
    tokens = f"{costs.input_tokens} input and {costs.output_tokens} output tokens"
    return f"Run `{run_id}`: {costs.calls} calls, {tokens}, ${_plain(costs.usd)}."


def _as_json(brief: CheckedBrief, costs: RunCosts, run_id: str, key: str) -> str:
    told: JsonObject = {
        "run_id": run_id,
        "key": key,
        "brief": brief.model_dump(mode="json"),
        "costs": {
            "calls": costs.calls,
            "input_tokens": costs.input_tokens,
            "output_tokens": costs.output_tokens,
            "usd": float(round(costs.usd, 9)),
        },
    }
    return json.dumps(told, indent=2) + "\n"


def _key_of(path: Path) -> str | None:
    """Under which key a brief was written; None where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(cast("JsonObject", found).get("key")) if isinstance(found, dict) else None


def _plain(amount: Decimal) -> str:
    """Without an exponent and without zeros that say nothing."""
    return f"{amount:.9f}".rstrip("0").rstrip(".")
