"""Somebody's own LangGraph agent runs on a role without a change; its README says what it prints."""

import json
import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

import examples
from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.houses import HOUSES
from tests.documents.console_blocks import run_page

FOLDER = Path(next(iter(examples.__path__))) / "existing_langgraph"

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")


@pytest.fixture
def build_agent():
    spec = spec_from_file_location("orders_agent", FOLDER / "orders_agent.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_agent


def test_the_agent_comes_to_its_end_on_a_role(build_agent, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".harness"))
    agent = build_agent(HarnessChatModel(role="support", folder=folder))
    messages = agent.invoke({"messages": [("user", "Where is my order 18?")]})["messages"]
    assert messages[-1].content == "Your chair was lost, so we have paid it back."
    told = [each.content for each in messages if each.type == "tool"]
    assert [json.loads(told[0])["state"], told[1]] == ["lost", "order 18 was paid back"]
    HOUSES.close_folder(folder)


def test_it_is_no_code_of_ours_any_other_chat_model_will_do(build_agent):
    class Able(FakeMessagesListChatModel):
        def bind_tools(self, _tools, **_options):
            return self

    agent = build_agent(Able(responses=[AIMessage("Hello.")]))
    assert agent.invoke({"messages": [("user", "Hello?")]})["messages"][-1].content == "Hello."
    assert "harness" not in (FOLDER / "orders_agent.py").read_text().replace("before there was a harness", "")


@pytest.mark.slow
def test_its_page_says_what_it_prints(tmp_path):
    shutil.copytree(
        FOLDER, tmp_path / "examples" / FOLDER.name, ignore=shutil.ignore_patterns(".harness", "__pycache__")
    )
    problems = run_page(FOLDER / "README.md", tmp_path, Path(sys.executable).parent)
    assert not problems, "\n\n".join(problems)
