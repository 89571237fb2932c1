"""Exactly one effect: kill -9 at every boundary of a run, and the service counts what reached it."""

import os

import pytest
from sqlalchemy import make_url, text

from ontology.databases import open_database
from tests.must_hold.effect_matrix import Boundary, CrashMatrix
from tests.must_hold.effects_project import EFFECTS

pytestmark = pytest.mark.slow

NODES = ("order", "pay", "invoice", "reserve", "label", "notify", "assist", "charge", "archive")
BETWEEN = ("recorded", "claim", "checkpoint", "writes", "hold", "settle", "release", "answer", "end_task")

# Two deaths of one run, one after the other.
TWICE = [
    ("before begin order/tool", "before begin order/tool"),
    ("sent pay/tool", "sent pay/tool"),
    ("counted pay/tool", "before finish pay/tool"),
    ("held invoice/tool", "counted invoice/tool"),
    ("counted reserve/tool", "counted label/tool"),
    ("after finish label/tool", "answer read reserve/tool"),
    ("counted notify[1]/tool", "counted notify[0]/tool"),
    ("after settle", "before finish assist/agent/ask#0"),
    ("after release", "after answer"),  # while a person is waited for, and once more when the answer is there
    ("before finish charge/tool", "before finish charge/tool"),
    ("after finish charge/tool", "counted archive/tool"),
    ("after end_task", "before claim"),
]
ON_POSTGRESQL = [
    "after begin pay/tool",
    "counted pay/tool",
    "after call invoice/tool",
    "before finish reserve/tool",
    "answer read notify[1]/tool",
    "before answer",
    "counted charge/tool",
    "after finish charge/tool",
    "before checkpoint",
    "before release",
]


@pytest.fixture(scope="module")
def at_once():
    # Where tests run in several processes, those share the cores.
    return 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


@pytest.fixture(scope="module")
def matrix(tmp_path_factory, at_once):
    matrix = CrashMatrix(tmp_path_factory.mktemp("effects"), at_once=at_once)
    yield matrix
    matrix.close()


@pytest.fixture(scope="module")
def matrix_on_postgresql(tmp_path_factory, at_once, postgres_url):
    engine = open_database(postgres_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE effects"))
    engine.dispose()
    url = make_url(postgres_url).set(database="effects").render_as_string(hide_password=False)
    matrix = CrashMatrix(tmp_path_factory.mktemp("effects"), at_once=at_once, database_url=url)
    yield matrix
    matrix.close()


def broken(matrix, kills):
    return [each for course in matrix.courses(kills) for each in course.broken(matrix.undisturbed)]


def of_node(boundary, node):
    return boundary.moment.rpartition(" ")[2].startswith((f"{node}/", f"{node}["))


def test_each_effect_of_an_undisturbed_run_is_delivered_once_under_a_key_of_its_own(matrix):
    course = matrix.undisturbed
    assert (course.codes, course.result["status"], course.result["error"]) == ([0], "completed", None)
    assert {each.effect for each in course.deliveries} == EFFECTS
    assert len(course.deliveries) == len({each.key for each in course.deliveries}) == len(EFFECTS)


def test_every_boundary_is_one_of_those_that_are_killed_at(matrix):
    killed_at = [each for name in NODES for each in matrix.boundaries if of_node(each, name)]
    killed_at += [each for name in BETWEEN for each in matrix.boundaries if each.moment.split()[-1] == name]
    assert sorted(killed_at) == sorted(matrix.boundaries)
    assert len(matrix.boundaries) >= 60


@pytest.mark.parametrize("node", NODES)
def test_a_kill_at_any_boundary_of_an_effect_leaves_exactly_one_of_each(matrix, node):
    kills = [(each,) for each in matrix.boundaries if of_node(each, node)]
    assert len(kills) >= 8
    assert broken(matrix, kills) == []


def test_a_kill_between_effects_repeats_none(matrix):
    kills = [(each,) for each in matrix.boundaries if each.moment.split()[-1] in BETWEEN]
    assert len(kills) >= 30
    assert broken(matrix, kills) == []


def test_two_kills_of_one_run_leave_exactly_one_of_each(matrix):
    kills = [tuple(Boundary(moment, 1) for moment in each) for each in TWICE]
    assert broken(matrix, kills) == []


@pytest.mark.parametrize("moment", ["counted charge/tool", "after answer", "before finish reserve/tool"])
def test_of_two_that_continue_a_run_at_once_one_repeats_what_was_in_flight(matrix, moment):
    course = matrix.course([Boundary(moment, 1)], last=2)
    assert course.codes[1:] == [0, 0]
    assert course.broken(matrix.undisturbed) == []


@pytest.mark.parametrize(
    ("moment", "most"),
    [("before begin charge/tool", 1), ("sending charge/tool", 2), ("before finish charge/tool", 2)],
)
def test_a_process_that_wakes_when_another_has_gone_on_makes_no_effect_of_its_own(matrix, moment, most):
    course = matrix.overtaken(Boundary(moment, 1))
    assert course.codes == (0, 0)
    assert course.result["state"] == matrix.undisturbed.result["state"]
    assert (course.lost, course.doubled) == (frozenset(), frozenset())
    # What it was about to send may still go out, under the key that the service knows.
    assert course.count["charge/tool"] <= most
    assert course.count | {"charge/tool": 1} == matrix.undisturbed.count | {"charge/tool": 1}


@pytest.mark.timeout(600)
def test_the_same_holds_on_postgresql(matrix_on_postgresql):
    assert broken(matrix_on_postgresql, [(Boundary(moment, 1),) for moment in ON_POSTGRESQL]) == []
