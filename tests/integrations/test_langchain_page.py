"""The page on LangChain works and prints what it says, and names what there is."""

import sys
from pathlib import Path

import pytest

from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.request_arguments import KNOWN_ARGUMENTS
from tests.documents.console_blocks import commands_of, run_page

PAGE = Path(__file__).parents[2] / "docs" / "langchain.md"


@pytest.mark.slow
def test_what_the_page_says_works_and_prints_what_it_says(tmp_path):
    problems = run_page(PAGE, tmp_path, Path(sys.executable).parent)
    assert commands_of(PAGE)
    assert not problems, "\n\n".join(problems)


def test_every_option_of_the_model_is_on_the_page():
    text = PAGE.read_text()
    inherited = set(HarnessChatModel.__mro__[1].model_fields)
    own = set(HarnessChatModel.model_fields) - inherited
    assert not [name for name in own if name not in text]
    assert not [name for name in KNOWN_ARGUMENTS - {"tools", "strict", "response_format"} if name not in text]
