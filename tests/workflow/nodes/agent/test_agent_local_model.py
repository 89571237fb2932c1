"""An agent on the real local model, which parses no tool calls: it ends within its bounds, whatever it says."""

from importlib.util import find_spec

import pytest

from harness.exceptions import AnswerInvalid, LimitOfRunReached, NodeFailed
from harness.routing.bindings import Binding, BindingsFile
from harness.workflow.events import CallAnswered
from tests.workflow.nodes.agent.house import Houses, Tools

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the local model's engine is not installed"),
]

PROMPT = "How many words has the text 'the quick brown fox jumps'? Use count_words, then answer."


def count_words(text: str) -> int:
    """Counts the words of a text."""
    return len(text.split())


def add(a: int, b: int) -> int:
    """Adds two whole numbers."""
    return a + b


@pytest.mark.parametrize("prompt", [PROMPT, "What is 17 plus 25? Use add, then answer with the sum."])
def test_it_ends_within_its_bounds_and_calls_only_what_there_is(tmp_path_factory, prompt):
    tools = Tools(count_words, add)

    async def scenario(house):
        await house.bind_file(BindingsFile(bindings=(Binding(role="agent", model="smollm2-135m"),)))
        begun = await house.begun(tools, prompt=prompt, limits={"steps": 5}, max_output_tokens=128)
        try:
            answer = await begun.advanced()
            assert isinstance(answer, str)
        except (AnswerInvalid, LimitOfRunReached, NodeFailed) as error:
            answer = error
        for _, request, _ in begun.requests[-1:]:
            print("\n".join(f"{message.role}: {message.text}" for message in request.messages[1:]))  # noqa: T201
        print(f"-> {answer!r}")  # noqa: T201 - shown by `pytest -s`: what it gets right and wrong
        return [each for each in house.events if isinstance(each, CallAnswered)]

    answered = Houses(tmp_path_factory.mktemp("local"))(scenario)
    assert 1 <= len(answered) <= 5
    assert all(each.model == "smollm2-135m" for each in answered)
    assert {name for name, _, _ in tools.calls} <= {"count_words", "add"}
