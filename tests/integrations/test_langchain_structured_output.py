"""Answers of one shape: natively or as a tool's arguments, by class, TypedDict or schema; a wrong one is said to be so."""

import pytest
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as OldModel
from typing_extensions import TypedDict

from harness.exceptions import ConfigurationInvalid
from harness.integrations.langchain import HarnessChatModel
from harness.integrations.langchain.houses import HOUSES
from tests.integrations.langchain_house import project, server


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int = Field(ge=0)


class Place(TypedDict):
    """Somewhere."""

    city: str


SCHEMA = {"title": "Place", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
REPLIES = [
    {"when": "who", "json": {"name": "Ada", "age": 36}},
    {"when": "nobody", "json": {"name": "Ada", "age": -1}},
    {"when": "where", "json": {"city": "Paris"}},
    {"when": "lost", "json": {"town": "Paris"}},
    {"when": "tool", "tool_call": {"name": "Person", "arguments": {"name": "Ada", "age": 36}}},
    {"when": "torn", "tool_call": {"name": "Person", "arguments": '{"name": '}},
    {"text": "I would rather not say."},
]


@pytest.fixture
def model(tmp_path):
    yield HarnessChatModel(
        role="writer", folder=project(tmp_path, replies=REPLIES, capabilities=("json_schema", "tools"))
    )
    HOUSES.close_folder(tmp_path)


def test_a_class_gives_its_instances(model):
    assert model.with_structured_output(Person).invoke("who") == Person(name="Ada", age=36)


def test_a_class_of_pydantics_first_version_gives_its_instances_too(model):
    class OldPerson(OldModel):
        name: str
        age: int

    assert model.with_structured_output(OldPerson).invoke("who") == OldPerson(name="Ada", age=36)


@pytest.mark.parametrize("schema", [Place, SCHEMA])
def test_a_typed_dict_and_a_schema_give_plain_values(model, schema):
    shaped = model.with_structured_output(schema)
    assert shaped.invoke("where") == {"city": "Paris"}
    with pytest.raises(OutputParserException, match="city"):
        shaped.invoke("lost")


@pytest.mark.parametrize("question", ["nobody", "else", "torn"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_an_answer_outside_its_shape_is_none(model, question, method):
    with pytest.raises(OutputParserException, match="Person"):
        model.with_structured_output(Person, method=method).invoke(question)


def test_with_the_raw_answer_a_wrong_one_is_told_and_not_raised(model):
    shaped = model.with_structured_output(Person, include_raw=True)
    right, wrong = shaped.invoke("who"), shaped.invoke("else")
    assert (right["parsed"], right["parsing_error"]) == (Person(name="Ada", age=36), None)
    assert wrong["parsed"] is None
    assert isinstance(wrong["parsing_error"], OutputParserException)
    assert wrong["raw"].content == "I would rather not say."


def test_a_shape_that_came_as_a_call_is_read_from_there(model):
    assert model.with_structured_output(Person, method="function_calling").invoke("tool") == Person(name="Ada", age=36)


def test_a_stream_gives_it_once_it_is_whole(model):
    assert list(model.with_structured_output(Person).stream("who")) == [Person(name="Ada", age=36)]


@pytest.mark.parametrize(
    ("capabilities", "method", "key"),
    [
        (("json_schema", "tools"), None, "response_format"),
        (("tools",), None, "tools"),
        (("json_schema", "tools"), "function_calling", "tools"),
        (("tools",), "json_schema", "response_format"),
    ],
)
def test_the_bound_model_decides_how_it_is_asked(tmp_path, capabilities, method, key):
    with server() as running:
        folder = project(tmp_path, base_url=running.base_url, capabilities=capabilities)
        with HarnessChatModel(role="server", folder=folder) as model:
            model.with_structured_output(SCHEMA, method=method, include_raw=True).invoke("where")
        asked = running.requests[0]
    assert {"response_format", "tools"} & asked.keys() == {key}
    if key == "tools":
        assert asked["tool_choice"] == {"type": "function", "function": {"name": "Place"}}
        assert asked["tools"][0]["function"]["parameters"]["required"] == ["city"]
    else:
        assert asked["response_format"]["json_schema"]["schema"]["required"] == ["city"]


def test_a_response_format_of_openais_form_is_taken(tmp_path):
    with (
        server() as running,
        HarnessChatModel(role="server", folder=project(tmp_path, base_url=running.base_url)) as model,
    ):
        wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
        assert model.invoke("where", response_format=wanted).content == '{"city": "text"}'
        with pytest.raises(ConfigurationInvalid, match="json_schema"):
            model.invoke("where", response_format={"type": "json_object"})


def test_methods_and_schemas_that_are_none_are_refused(model):
    with pytest.raises(ConfigurationInvalid, match="json_mode"):
        model.with_structured_output(Person, method="json_mode")
    with pytest.raises(ConfigurationInvalid):
        model.with_structured_output({"title": "x", "type": "object", "properties": {"a": {"type": "nothing"}}})
