"""An order's way through a shop: effects of every shape, each at a service. Written to a folder for a test.

HTTP requests one after the other, a Python function that is told its key, two parallel branches, two items of a list,
one that a model asks for, one that a person approves.
"""

from pathlib import Path

HTTP_EFFECTS = ("order", "pay", "reserve", "label", "notify", "credit", "charge", "archive")

# As the service knows them: what is done to whom.
EFFECTS = frozenset(f"{name}/17" for name in ("invoice", *HTTP_EFFECTS) if name != "notify") | {
    "notify/ada",
    "notify/grace",
}

# Calls that are in flight at the same time.
BESIDE_EACH_OTHER = (
    frozenset({"reserve/tool", "label/tool"}),
    frozenset({"notify[0]/tool", "notify[1]/tool"}),
)

HARNESS = """\
workflows: {fulfil: workflow.yaml}
bindings: bindings.yaml
http: {allowed_hosts: ["127.0.0.1:PORT"]}
tools:
  invoice: {function: "steps:invoice", effect: true, description: Write an invoice.}
"""

HTTP_TOOL = """\
  NAME:
    effect: true
    description: The effect NAME.
    http: {method: POST, url: "http://127.0.0.1:PORT/effects/NAME/{subject}", headers: {x-caller: "env:EFFECT_CALLER"}}
"""

STEPS = """\
import json
import os
from http.client import HTTPConnection
from typing import Any


def invoice(subject: str, idempotency_key: str) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=30)
    headers = {"idempotency-key": idempotency_key, "x-caller": os.environ["EFFECT_CALLER"]}
    connection.request("POST", f"/effects/invoice/{subject}", "{}", headers)
    return json.loads(connection.getresponse().read())
"""

WORKFLOW = """\
workflow: fulfil
inputs: [number, people]
state:
  number: {type: string, default: "17"}
  people: {type: array, default: [ada, grace]}
  ordered: {}
  paid: {}
  invoiced: {}
  reserved: {}
  labelled: {}
  notified: {}
  assisted: {}
  charged: {}
  archived: {}
outcome: archived.taken
start: order
nodes:
  order: {kind: tool, tool: order, arguments: {subject: {from: number}}, output: ordered}
  pay: {kind: tool, tool: pay, arguments: {subject: {from: number}}, output: paid}
  invoice: {kind: tool, tool: invoice, arguments: {subject: {from: number}}, output: invoiced}
  reserve: {kind: tool, tool: reserve, arguments: {subject: {from: number}}, output: reserved}
  label: {kind: tool, tool: label, arguments: {subject: {from: number}}, output: labelled}
  notify:
    {kind: tool, tool: notify, for_each: people, item: person, arguments: {subject: {from: person}}, output: notified}
  assist: {kind: agent, role: clerk, prompt: assist.md, tools: [credit], max_output_tokens: 60, output: assisted}
  charge: {kind: tool, tool: charge, arguments: {subject: {from: number}}, output: charged}
  archive: {kind: tool, tool: archive, arguments: {subject: {from: number}}, output: archived}
edges:
  - {from: order, to: pay}
  - {from: pay, to: invoice}
  - {from: invoice, to: [reserve, label]}
  - {from: reserve, to: notify}
  - {from: label, to: notify}
  - {from: notify, to: assist}
  - {from: assist, to: charge}
  - {from: charge, to: archive}
"""

BINDINGS = """\
bindings: [{role: clerk, model: scripted}]
endpoints: {scripted: {scripted_replies: replies.yaml}}
models:
  scripted:
    endpoint: scripted
    wire_name: scripted
    context_tokens: 8192
    max_output_tokens: 1024
    capabilities: [tools]
    price: {input_usd_per_million: 1, output_usd_per_million: 2, source: "made up", checked: 2026-11-24}
"""

REPLIES = """\
replies:
  - {turn: 0, tool_call: {name: credit, arguments: {subject: "17"}}}
  - {turn: 1, text: "The credit is given."}
"""


def write_effects(folder: Path, port: int) -> Path:
    """The project; its service is at a port of loopback."""
    folder.mkdir()
    harness = HARNESS
    for name in HTTP_EFFECTS:
        harness += HTTP_TOOL.replace("NAME", name) + ("    approval: always\n" if name == "charge" else "")
    files = {
        "harness.yaml": harness,
        "workflow.yaml": WORKFLOW,
        "steps.py": STEPS,
        "bindings.yaml": BINDINGS,
        "replies.yaml": REPLIES,
        "assist.md": "Give credit for order {{ number }}.\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text.replace("PORT", str(port)))
    return folder
