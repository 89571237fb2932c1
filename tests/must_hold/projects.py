"""A small audit: code, one call an item, code, remember, one more call, code. Written to a folder for a test."""

from pathlib import Path

HARNESS = """\
workflows: {audit: workflow.yaml}
bindings: bindings.yaml
ontology: ontology.yaml
code: {prepare: "steps:prepare", check: "steps:check", findings: "steps:findings", report: "steps:report"}
"""

ONTOLOGY = """\
id: https://example.org/schemas/audit
name: audit
version: "1"
prefixes: {linkml: https://w3id.org/linkml/, audit: https://example.org/schemas/audit/}
default_prefix: audit
imports: ["linkml:types"]
classes:
  Package:
    attributes:
      name: {identifier: true}
      has_licence: {range: License, multivalued: true}
  License:
    attributes:
      spdx: {identifier: true}
"""

WORKFLOW = """\
workflow: audit
inputs: [count, prefix]
state:
  count: {type: integer, default: 6}
  prefix: {type: string, default: item}
  packages: {type: array}
  found: {type: array}
  checked: {type: array}
  findings: {type: object}
  summary: {type: string}
  report: {type: object}
outcome: report.done
start: prepare
nodes:
  prepare:
    {kind: code, code: prepare, arguments: {count: {from: count}, prefix: {from: prefix}}, output: packages}
  classify:
    kind: model
    role: classifier
    for_each: packages
    item: package
    task: {kind: package, key: name}
    max_concurrency: 2
    prompt: classify.md
    documents: [package.text]
    schema: {type: object, properties: {spdx: {enum: [MIT, ISC]}}, required: [spdx], additionalProperties: false}
    max_output_tokens: 40
    retry: {attempts: 3, backoff_seconds: 0.05, max_backoff_seconds: 0.2}
    output: found
  check: {kind: code, code: check, arguments: {packages: {from: packages}, found: {from: found}}, output: checked}
  findings: {kind: code, code: findings, arguments: {checked: {from: checked}}, output: findings}
  remember: {kind: remember, from: findings}
  summarise: {kind: model, role: writer, prompt: summary.md, max_output_tokens: 60, output: summary}
  report: {kind: code, code: report, arguments: {checked: {from: checked}, summary: {from: summary}}, output: report}
edges:
  - {from: prepare, to: classify}
  - {from: classify, to: check}
  - {from: check, to: findings}
  - {from: findings, to: remember}
  - {from: remember, to: summarise}
  - {from: summarise, to: report}
"""

STEPS = """\
from typing import Any

from harness.workflow.nodes.node_context import NodeContext


def prepare(count: int, prefix: str) -> list[dict[str, Any]]:
    return [{"name": f"{prefix}-{n}", "text": f"licence text {n}"} for n in range(count)]


def check(packages: list[dict[str, Any]], found: list[Any], context: NodeContext) -> list[dict[str, Any]]:
    for package, answer in zip(packages, found, strict=True):
        context.ledger.outcome("package", package["name"], success=answer is not None, evidence="answered")
    pairs = zip(packages, found, strict=True)
    return [{"name": package["name"], "spdx": answer and answer["spdx"]} for package, answer in pairs]


def findings(checked: list[dict[str, Any]]) -> dict[str, Any]:
    known = [each for each in checked if each["spdx"]]
    licences = sorted({each["spdx"] for each in known})
    packages = [{"type": "Package", "properties": {"name": each["name"]}, "source": each["name"]} for each in known]
    return {
        "entities": [
            *packages,
            *({"type": "License", "properties": {"spdx": spdx}, "source": "spdx"} for spdx in licences),
        ],
        "links": [
            {
                "subject": f"Package:{each['name']}",
                "link": "has_licence",
                "object": f"License:{each['spdx']}",
                "source": each["name"],
            }
            for each in known
        ],
        "records": [
            {
                "text": f"{each['name']} is under {each['spdx']}.",
                "source": f"package:{each['name']}",
                "place": "licence",
                "subjects": [f"Package:{each['name']}"],
            }
            for each in known
        ],
    }


def report(checked: list[dict[str, Any]], summary: str) -> dict[str, Any]:
    return {"packages": checked, "words": len(summary.split()), "done": True}
"""

BINDINGS = """\
bindings:
  - {role: classifier, model: served}
  - {role: writer, model: served}
endpoints:
  server: {base_url: "http://127.0.0.1:PORT/v1"}
models:
  served:
    endpoint: server
    wire_name: normal
    context_tokens: 8192
    max_output_tokens: 1024
    capabilities: [json_schema, streaming]
    price: {input_usd_per_million: 1, output_usd_per_million: 2, source: "made up", checked: 2026-11-24}
"""


def write_audit(folder: Path, port: int) -> Path:
    """The project; its models are served on a port of loopback."""
    folder.mkdir()
    files = {
        "harness.yaml": HARNESS,
        "ontology.yaml": ONTOLOGY,
        "workflow.yaml": WORKFLOW,
        "steps.py": STEPS,
        "bindings.yaml": BINDINGS.replace("PORT", str(port)),
        "classify.md": "Which licence is {{ package.name }} under?\n{{ package.text }}\n",
        "summary.md": "Summarise: {{ checked }}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder
