"""LangChain's own suite for chat models, where `langchain-tests` is installed; this project does not depend on it."""

import pytest

from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.houses import HOUSES
from tests.integrations.langchain_house import project

pytest.importorskip("langchain_tests", reason="langchain-tests is not installed")

from langchain_tests.integration_tests import ChatModelIntegrationTests

JOKE = {"setup": "Why do cats sit on laptops?", "punchline": "To keep an eye on the mouse."}


def call(name, **arguments):
    return {"tool_call": {"name": name, "arguments": arguments}}


REPLIES = [
    {"when": "magic_function_no_args", "turn": 0, **call("magic_function_no_args")},
    {"when": "value of magic_function(3)", "turn": 0, **call("magic_function", input=3)},
    {"when": "Pirate greeting", **call("greeting_generator", answer_style="pirate")},
    {"when": "weather in San Francisco", "turn": 0, **call("get_weather", location="San Francisco, CA")},
    {"when": "你好啊集团", **call("unicode_customer", customer_name="你好啊集团", description="technology")},
    {
        "when": "こんにちは株式会社",
        **call("unicode_customer", customer_name="こんにちは株式会社", description="company"),
    },
    {"when": "joke", "json": JOKE},
    {"when": "unstructured", "json": JOKE},
    {"text": "hello there", "usage": {"input": 12, "output": 4}},
]


class TestHarnessChatModel(ChatModelIntegrationTests):
    """Asked on scripted replies."""

    has_tool_choice = False  # scripted replies do not heed a choice; that it reaches the wire is tested beside this
    supports_image_inputs = False  # the suite fetches its picture from the internet
    supports_anthropic_inputs = False

    @pytest.fixture(autouse=True)
    def _project(self, tmp_path):
        type(self).folder = project(tmp_path, replies=REPLIES, capabilities=("json_schema", "tools"))
        yield
        HOUSES.close_folder(tmp_path)

    @property
    def chat_model_class(self):
        return HarnessChatModel

    @property
    def chat_model_params(self):
        return {"role": "writer", "folder": self.folder}

    @pytest.fixture
    def model(self, _project):
        return HarnessChatModel(**self.chat_model_params)
