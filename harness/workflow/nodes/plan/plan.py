"""A plan as a value: steps that name workers and each other, and what must hold before any of them runs; pure.

How a planner is asked for one is in `prompt.py`, how its steps run in `execution.py`, what an input may
point at in `values.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject
from harness.names import nearest_names
from harness.workflow.answers import Rejected, read_answer, value_problem
from harness.workflow.node_kinds import Worker
from harness.workflow.nodes.plan.values import (
    EARLIER_ROUND,
    Reference,
    can_fit,
    field_schema,
    path_problem,
    paths_in,
    reference_in,
    references,
    value_under,
)
from harness.workflow.value_types import schema_types
from harness.workflow.visible_text import visible_text

STEP_ID = "^[a-z][a-z0-9_]{0,39}$"

_ENVELOPE: JsonObject = {
    "type": "object",
    "properties": {"steps": {"type": "array", "minItems": 1}},
    "required": ["steps"],
    "additionalProperties": False,
}
_MOST_PROBLEMS = 20


class PlanStep(BaseModel):
    """One step as the planner wrote it: what a worker is given, and what must be done before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=STEP_ID)]
    worker: Annotated[str, Field(max_length=80)]
    inputs: dict[str, Json] = Field(default_factory=dict)
    depends_on: tuple[Annotated[str, Field(max_length=60)], ...] = ()


Plan = tuple[PlanStep, ...]

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class WorkerShape:
    """What a worker takes and yields.

    Args:
        inputs: JSON Schemas by name.
        required: the inputs that a step must give; the others have a default or are a tool's optional arguments.
        output: a JSON Schema; `{}` where it is not known.
        does: what the planner is told of it.
    """

    inputs: Mapping[str, JsonObject]
    required: frozenset[str]
    output: JsonObject
    does: str


def worker_shape(worker: Worker, parameters: JsonObject | None = None) -> WorkerShape:
    """The shape of a declared worker.

    Args:
        parameters: the JSON Schema of a tool's arguments; what the worker says of an argument comes on top.
    """
    if worker.tool is not None:
        own = _tool_inputs(parameters or {})
        required = (parameters or {}).get("required")
        named = frozenset(str(each) for each in required) if isinstance(required, list) else frozenset[str]()
        inputs = own | {name: {**own.get(name, {}), **schema} for name, schema in worker.inputs.items()}
        return WorkerShape(inputs, named, worker.output or {}, worker.description)
    needed = frozenset(name for name, schema in worker.inputs.items() if "default" not in schema)
    of_its_own: JsonObject = {"type": "string"} if worker.role is not None else {}
    return WorkerShape(worker.inputs, needed, worker.output or of_its_own, worker.description)


def _tool_inputs(parameters: JsonObject) -> dict[str, JsonObject]:
    """The arguments of a tool by name, each a schema that stands alone."""
    properties = parameters.get("properties")
    shared = {word: parameters[word] for word in ("$defs", "definitions") if word in parameters}
    if not isinstance(properties, dict):
        return {}
    return {name: {**shared, **schema} if isinstance(schema, dict) else {} for name, schema in properties.items()}


def read_plan(text: str, *, max_steps: int) -> Plan | Rejected:
    """A planner's answer as steps; their number is looked at before anything is made of them."""
    read = read_answer(text, _ENVELOPE)
    if isinstance(read, Rejected):
        return read
    given = cast("list[Json]", cast("JsonObject", read.value)["steps"])
    if len(given) > max_steps:
        return Rejected(f"it has {len(given):,} steps; at most {max_steps} are taken", repairable=False)
    try:
        return _PLAN.validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        return Rejected(visible_text(f"$.steps{place}"[:200] + f": {first['msg']}"))


def plan_as_json(plan: Plan) -> JsonObject:
    """What is recorded of a plan, and shown."""
    return {"steps": cast("list[Json]", _PLAN.dump_python(plan, mode="json"))}


def plan_from_json(recorded: Json) -> Plan:
    """A recorded plan."""
    return _PLAN.validate_python(cast("JsonObject", recorded)["steps"])


def dependencies(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What each step waits for: the steps it says, and those whose results it is given; steps of earlier rounds are done."""
    ids = {step.id for step in plan}
    found: dict[str, tuple[str, ...]] = {}
    for step in plan:
        pointed = (each.key for value in step.inputs.values() for each in references(value) if not each.of_state)
        found[step.id] = tuple(dict.fromkeys(each for each in (*step.depends_on, *pointed) if each in ids))
    return found


def before(plan: Plan) -> dict[str, frozenset[str]]:
    """For each step of a plan that was checked, all that is done before it because it waits for it."""
    needs = dependencies(plan)
    found: dict[str, frozenset[str]] = {}
    while len(found) < len(needs):
        ready = [step for step, needed in needs.items() if step not in found and all(each in found for each in needed)]
        assert ready, "a plan that was checked has no cycle"
        found |= {step: frozenset(needs[step]).union(*(found[each] for each in needs[step])) for step in ready}
    return found


def sinks(plan: Plan) -> tuple[str, ...]:
    """The steps that no other waits for, in the plan's order: their results are the plan's."""
    awaited = {each for needed in dependencies(plan).values() for each in needed}
    return tuple(step.id for step in plan if step.id not in awaited)


def plan_problems(
    plan: Plan,
    workers: Mapping[str, WorkerShape],
    *,
    passed: Mapping[str, Json],
    earlier: Mapping[str, Json],
) -> list[str]:
    """Everything that keeps a plan from being run, in words for a planner; none of it is run where there is any.

    Args:
        passed: the state values that steps may be given, by key.
        earlier: results of steps of earlier rounds, by `r1.step`.
    """
    outputs = {step.id: workers[step.worker].output for step in plan if step.worker in workers}
    known = _Known({step.id for step in plan}, outputs, passed, earlier)
    problems = [*_id_problems(plan)]
    for step in plan:
        problems += [f"step {step.id!r}: {reason}" for reason in _step_problems(step, workers, known)]
    cycle = cycle_in(dependencies(plan))
    if cycle:
        problems.append(f"the steps wait for each other: {' -> '.join([*cycle, cycle[0]])}")
    shown = [visible_text(each) for each in dict.fromkeys(problems)]
    more = len(shown) - _MOST_PROBLEMS
    return shown if more <= 0 else [*shown[:_MOST_PROBLEMS], f"and {more} more"]


def cycle_in(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """A circle of steps that wait for each other; empty where there is none."""
    left = dict(needs)
    while free := [step for step, needed in left.items() if not any(each in left for each in needed)]:
        for step in free:
            del left[step]
    if not left:
        return []
    # Whatever is left waits for something that is left, so following it comes round.
    way = [min(left)]
    while (following := next(each for each in left[way[-1]] if each in left)) not in way:
        way.append(following)
    return way[way.index(following) :]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the inputs of a plan can point at."""

    ids: Collection[str]
    outputs: Mapping[str, JsonObject]
    passed: Mapping[str, Json]
    earlier: Mapping[str, Json]


def _id_problems(plan: Plan) -> Iterator[str]:
    seen: set[str] = set()
    for step in plan:
        if step.id in seen:
            yield f"step {step.id!r} stands twice: give each its own id"
        if EARLIER_ROUND.fullmatch(step.id):
            yield f"step {step.id!r}: that name is kept for earlier rounds: give it another id"
        seen.add(step.id)


def _step_problems(step: PlanStep, workers: Mapping[str, WorkerShape], known: _Known) -> Iterator[str]:
    for each in step.depends_on:
        if each not in known.ids and each not in known.earlier:
            yield f"depends_on names {each!r}, and {_no_step(each, known)}"
    shape = workers.get(step.worker)
    if shape is None:
        yield f"no worker {step.worker[:80]!r}; {_choices(step.worker, workers)}"
        return
    for name in sorted(shape.required - step.inputs.keys()):
        yield f"worker {step.worker!r} needs the input {name!r}"
    for name, value in step.inputs.items():
        if name not in shape.inputs:
            yield f"worker {step.worker!r} has no input {name[:80]!r}; {_choices(name, shape.inputs)}"
            continue
        reason = _input_problem(value, shape.inputs[name], known)
        if reason:
            yield f"input {name!r}: {reason}"


def _input_problem(value: Json, schema: JsonObject, known: _Known) -> str | None:
    reference = reference_in(value)
    if reference is not None:
        return _reference_problem(reference, schema, known)
    if isinstance(value, list) and references(value):
        return _list_problem(value, schema, known)
    return input_problem(value, schema)


def input_problem(value: Json, schema: JsonObject) -> str | None:
    """Why a value may not be given to a worker: it is outside the schema, or names a file outside the sandbox."""
    reason = value_problem(value, schema)
    if reason is not None:
        return reason
    return next((problem for problem in map(path_problem, paths_in(value, schema)) if problem), None)


def _list_problem(value: list[Json], schema: JsonObject, known: _Known) -> str | None:
    """A list some of whose elements point at something: each for itself, and how many they are."""
    reason = _length_problem(len(value), schema)
    if reason is not None:
        return reason
    items = schema.get("items")
    of_each: JsonObject = items if isinstance(items, dict) else {}
    for place, each in enumerate(value):
        reference = reference_in(each)
        wrong = _reference_problem(reference, of_each, known) if reference else input_problem(each, of_each)
        if wrong:
            return f"[{place}]: {wrong}"
    return None


def _length_problem(length: int, schema: JsonObject) -> str | None:
    types = schema_types(schema)
    if types and "array" not in types:
        return f"it takes {' or '.join(types)}, not a list"
    least, most = schema.get("minItems"), schema.get("maxItems")
    if isinstance(least, int | float) and length < least:
        return f"its list has at least {least} elements, this one {length}"
    if isinstance(most, int | float) and length > most:
        return f"its list has at most {most} elements, this one {length}"
    return None


def _reference_problem(reference: Reference, schema: JsonObject, known: _Known) -> str | None:
    if reference.of_state or reference.key in known.earlier:
        return _known_input_problem(reference, schema, known.passed if reference.of_state else known.earlier)
    if reference.key not in known.ids:
        return f"from {str(reference)!r}: {_no_step(reference.key, known)}"
    found = field_schema(known.outputs.get(reference.key, {}), reference.path)
    if isinstance(found, str):
        return f"from {str(reference)!r}: {found}"
    if not can_fit(found, schema):
        yields, takes = " or ".join(schema_types(found)), " or ".join(schema_types(schema))
        return f"from {str(reference)!r} comes {yields}, but it takes {takes}"
    return None


def _known_input_problem(reference: Reference, schema: JsonObject, values: Mapping[str, Json]) -> str | None:
    word = "state" if reference.of_state else "from"
    try:
        value = value_under(reference, values)
    except NameUnknown:
        if reference.key in values:
            return f"{word} {str(reference)!r}: there is no such field"
        return f"{word} {str(reference)!r}: no such key is passed on; {_choices(reference.key, values)}"
    reason = input_problem(value, schema)
    return f"{word} {str(reference)!r}: {reason}" if reason else None


def _no_step(named: str, known: _Known) -> str:
    return f"there is no such step; {_choices(named, [*known.ids, *known.earlier])}"


def _choices(named: str, existing: Collection[str]) -> str:
    near = nearest_names(named[:80], existing)
    names = sorted(existing)[:8]
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(names)}" if names else "there is none"
