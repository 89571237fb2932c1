"""LangChain is loaded by who asks for it, and a program that forgets to close ends all the same, with all settled."""

import subprocess
import sys

from tests.integrations.langchain_house import costs_of, project

FORGETFUL = """
import sys
from harness.integrations.langchain import HarnessChatModel
print(HarnessChatModel(role="writer").invoke("hello").content)
print(next(HarnessChatModel(role="writer").stream("hello")).content)
"""


def run(program, folder):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={"HARNESS_PERSON": "ada", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_the_package_and_its_door_to_a_house_load_no_langchain(tmp_path):
    program = (
        "import sys, harness; harness.Harness; import harness.connections, harness.dialects.langchain.dialect;"
        "print([name for name in sys.modules if name.startswith(('langchain', 'langsmith', 'langgraph'))])"
    )
    assert run(program, tmp_path).stdout.strip() == "[]"


def test_a_program_that_forgets_to_close_ends_by_itself(tmp_path):
    ended = run(FORGETFUL, project(tmp_path))
    assert ended.stdout.split("\n") == ["fine thanks", "fine thanks", ""]
    assert ended.stderr == ""
    assert costs_of(tmp_path)["langchain"].calls == 2
