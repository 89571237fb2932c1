"""No command lets a terminal read control, bidirectional or tag characters out of what others wrote.

Hostile text comes from everywhere it can: a model, a document, code that raises, a provider, a person's answer and
reasons. Memory and ontology are driven in their own tests.
"""

import unicodedata

import pytest

from tests.cli.conftest import BINDINGS, HARNESS, Cli

# Clears the screen, sets the title, turns the line around, speaks to models alone, is a CSI in one byte, starts the
# line anew, breaks it in ways of its own.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\u2066x\U000e0041\U000e007f\x9b31m\rrun 0 completed\u2028\x0b\x85\u200b"
YAML_HOSTILE = "".join(f"\\U{ord(each):08x}" for each in HOSTILE)
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

WORKFLOW = """\
workflow: greet
inputs: [guest, tags]
state:
  guest: {type: string, default: world}
  tags: {type: array, default: [a, b]}
  greeting: {type: string}
  loud: {type: array}
  failures: {type: array}
  approval: {type: object}
nodes:
  write: {kind: model, role: writer, prompt: write.md, documents: [guest], max_output_tokens: 20, output: greeting, retry: {attempts: 1}}
  shout: {kind: code, code: shout, for_each: tags, arguments: {tag: {from: item}}, on_item_error: skip, errors: failures, output: loud, retry: {attempts: 2, backoff_seconds: 0, on: [ValueError]}}
  ask: {kind: human, question: ask.md, shows: [guest, greeting, failures], output: approval}
start: write
edges: [{from: write, to: shout}, {from: shout, to: ask}]
"""  # fmt: skip
CODE = f"def shout(tag: str) -> str:\n    raise ValueError({HOSTILE!r})\n"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    cli = Cli(folder, folder)
    (folder / "parts.py").write_text(CODE)
    cli.write(
        harness=f"{HARNESS}code: {{shout: 'parts:shout'}}\n",
        workflow=WORKFLOW,
        bindings=BINDINGS,
        write="Greet {{ guest }}.",
        ask="May this go out? {{ greeting }}\n",
        replies=f"""\
replies:
  - {{when: "fail", error: {{status: 400, message: "{YAML_HOSTILE}"}}}}
  - {{text: "{YAML_HOSTILE}", usage: {{input: 10, output: 5}}}}
""",
    )
    return cli


@pytest.fixture(scope="module")
def run_id(hostile):
    return hostile("run", "greet", "--json", "-i", f"guest={HOSTILE}").lines[-1]["run_id"]


def require_visible(said):
    for text in (said.out, said.err):
        raw = {each for each in text if unicodedata.category(each) in HIDDEN and each not in "\n\t"}
        assert not raw, (raw, text)


def test_what_a_run_says_while_it_goes_on(hostile):
    for words in ([], ["--stream"], ["--json", "--stream"]):
        said = hostile("run", "greet", "-i", f"guest={HOSTILE}", *words)
        assert said.code == 5, said.err
        assert "owned" in said.out + said.err
        require_visible(said)


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    "words",
    [
        ["questions"],
        ["approve", "RUN"],
        ["approve", "RUN", "--yes", "--digest", HOSTILE],
        ["approve", "RUN", "--answer", f'{{"approved": "{HOSTILE}"}}'],
        ["approve", "RUN", HOSTILE, "--yes"],
        ["resume", "RUN"],
        ["show", "RUN"],
        ["show", "RUN", "--state"],
        ["show", "RUN", "--at", "1"],
        ["show", "RUN", "--entries"],
        ["show", HOSTILE],
        ["fork", "RUN", "--at", "1", "--set", f"greeting={HOSTILE}"],
        ["fork", "RUN", "--at", "1", "--set", f"{HOSTILE}=1"],
        ["runs"],
        ["runs", "--workflow", HOSTILE],
        ["costs"],
        ["costs", "--run", "RUN"],
        ["outcome", "RUN", "--failure", "--evidence", HOSTILE],
        ["bind", "writer", "scripted", "--reason", HOSTILE],
        ["bindings"],
        ["bindings", "--history"],
        ["budget", "set", "person:ada", "200", "--reason", HOSTILE],
        ["budget", "list"],
        ["cancel", HOSTILE],
        ["run", HOSTILE],
        ["run", "greet", "--input", HOSTILE],
        ["check", HOSTILE],
        ["models"],
        ["diff"],
    ],
    ids=lambda words: " ".join(words).replace(HOSTILE, "HOSTILE"),
)
def test_what_a_command_prints(hostile, run_id, words, form):
    require_visible(hostile(*(run_id if each == "RUN" else each for each in words), *form))


def test_what_a_provider_says_of_a_failure(hostile):
    said = hostile("run", "greet", "-i", "guest=fail")
    assert said.code != 0
    assert "owned" in said.err
    require_visible(said)
    failed = hostile("runs", "--status", "failed", "--json").lines[0]["run_id"]
    shown = hostile("show", failed)
    assert "owned" in shown.out
    require_visible(shown)
    for text in (said.out, said.err, shown.out):
        assert not any(line.startswith("run 0 completed") for line in text.splitlines())


def test_what_a_person_answered(hostile, run_id):
    said = hostile("approve", run_id, "--yes", "--comment", HOSTILE)
    assert said.code == 0, said.err
    require_visible(said)
    for words in (["show", run_id], ["show", run_id, "--state"], ["runs"]):
        require_visible(hostile(*words))
