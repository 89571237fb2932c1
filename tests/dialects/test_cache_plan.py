"""Where cache points stand, whatever the wire."""

import json

import pytest

from harness.dialects.cache_plan import TOOLS, planned_points, system_place, turn_place
from harness.dialects.known_dialects import DIALECTS
from harness.models.catalogue import DialectName, Endpoint, Model
from harness.models.messages import CachePoint, ModelRequest, Tool, assistant, system, user
from tests.dialects.wire_targets import target_of

TURNS = (system("s"), user("a"), assistant("b"), user("c"), assistant("d"), user("e"))
PLACES = (TOOLS, system_place(0), *(turn_place(at) for at in range(1, 6)))
LOOK = Tool(name="look", description="", parameters={"type": "object"})


def asking(*points):
    return ModelRequest(messages=TURNS, max_output_tokens=9, cache_points=points or None, tools=(LOOK,))


def test_without_points_they_stand_after_tools_system_and_the_last_turn():
    assert planned_points(asking(), PLACES) == {TOOLS: "5m", system_place(0): "5m", turn_place(5): "5m"}


def test_points_at_one_place_are_one_and_unknown_places_do_not_count():
    points = [CachePoint(after=at) for at in (1, 1, 2, 77, -1, 3, 0)]
    points += [CachePoint(after="system", keep="1h")]
    assert planned_points(asking(*points), PLACES) == {
        system_place(0): "1h",
        turn_place(1): "5m",
        turn_place(2): "5m",
        turn_place(3): "5m",
    }


def test_of_too_many_the_last_in_the_wires_order_stay_however_they_were_asked_for():
    points = [CachePoint(after=at) for at in (5, 1, "system", 4, "tools", 2)]
    assert set(planned_points(asking(*points), PLACES)) == {turn_place(at) for at in (1, 2, 4, 5)}


def test_a_point_kept_longer_makes_those_before_it_last_as_long():
    points = (CachePoint(after="tools"), CachePoint(after=2, keep="1h"), CachePoint(after=3))
    assert planned_points(asking(*points), PLACES) == {TOOLS: "1h", turn_place(2): "1h", turn_place(3): "5m"}


@pytest.mark.parametrize(
    ("dialect", "wire_name", "quirks"),
    [
        ("anthropic_messages", "claude-sonnet-4-5", {}),
        ("openai_chat", "anthropic/claude-sonnet-4.5", {"cache_points": True}),
        ("bedrock_converse", "anthropic.claude-sonnet-4-5", {}),
    ],
)
def test_every_wire_that_has_points_plans_them_alike(dialect, wire_name, quirks):
    model = Model(endpoint="there", wire_name=wire_name, context_tokens=100_000)
    target = target_of(model, Endpoint(base_url="http://127.0.0.1:9", dialect=dialect, quirks=quirks))
    points = [CachePoint(after=at) for at in (5, 5, 1, "system", 4, 99)] + [CachePoint(after=4, keep="1h")]
    body = json.loads(DIALECTS[DialectName(dialect)].encode(asking(*points), target, stream=False).body)
    text = json.dumps(body)
    assert text.count("cache_control") + text.count("cachePoint") == 4
    # After system, the first and the second last turn: all before the one that is kept for an hour.
    assert text.count('"ttl": "1h"') == 3
