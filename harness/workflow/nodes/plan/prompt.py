"""What a planner is asked: the node's prompt, the rules and the workers, the JSON Schema of a plan, and what came before.

The rules are ours and stand in the system turn. What steps yielded, what they failed with and what a person said of a
plan are data: they stand in the user's turn, fenced.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.json_values import Json, JsonObject, canonical_json
from harness.models.messages import Message, ModelRequest, OutputSchema, system, user
from harness.workflow.node_kinds import PlanNode
from harness.workflow.nodes.plan.plan import STEP_ID, WorkerShape
from harness.workflow.prompts import DOCUMENTS_ARE_DATA, fenced, render_prompt

# llama.cpp refuses a grammar that repeats a character more than 2,000 times.
MAX_TEXT = 1000
MAX_SHOWN_RESULT = 600

# What of a worker's schema the planner's own can hold everywhere: no reference, no format.
_KEPT = frozenset({"type", "enum", "const", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength"})
_FIELDS = r"(\.[A-Za-z0-9_-]{1,40}){0,4}$"

_RULES = """\
Answer with a plan: a JSON object {{"steps": [...]}} with 1 to {most} steps and nothing around it.
Each step has an `id` of its own (s1, s2 and so on, or a short name), a `worker`, its `inputs` by name, and \
`depends_on`: the ids of steps that must be done before it, [] for none. Steps that do not wait for each other run at \
the same time.
An input is a plain value, {{"from": "s1"}} for what step s1 yields ("s1.title" for its field `title`){of_state}; the \
elements of a list may be such too.
The last step, which no other waits for, gives the result.
The workers:"""


@dataclass(frozen=True, slots=True)
class EndedRound:
    """How far a plan came that is to be followed by another.

    Args:
        number: of the round, from 1.
        workers: of the steps, by id.
        done: results by step.
        failed: by step, what it failed with.
        problems: why the plan could not be run at all.
        comment: of the person who did not approve it.
    """

    number: int
    workers: Mapping[str, str]
    done: Mapping[str, Json]
    failed: Mapping[str, str]
    problems: Sequence[str] = ()
    comment: str | None = None


def plan_request(
    node: PlanNode,
    templates: Mapping[str, str],
    values: Mapping[str, Json],
    workers: Mapping[str, WorkerShape],
    ended: Sequence[EndedRound],
) -> ModelRequest:
    """The question to a planner.

    Args:
        templates: the contents of the node's files, by the names it gives them.
    """
    prompt = render_prompt(
        templates[node.prompt],
        values,
        system=templates[node.system] if node.system else None,
        documents=node.documents,
        max_characters=node.max_characters,
    )
    told = [prompt.system] if prompt.system else []
    if ended and DOCUMENTS_ARE_DATA not in (prompt.system or ""):
        told.append(DOCUMENTS_ARE_DATA)
    told.append(planning_rules(node, workers))
    asked = "\n\n".join([prompt.user, *(told_of_round(each) for each in ended)])
    messages: tuple[Message, ...] = (system("\n\n".join(told)), user(asked))
    schema = plan_schema(workers, passes=node.passes, max_steps=node.max_steps)
    return ModelRequest(
        messages=messages,
        max_output_tokens=node.max_output_tokens,
        output_schema=OutputSchema(name="plan", json_schema=schema),
        temperature=node.temperature,
    )


def planning_rules(node: PlanNode, workers: Mapping[str, WorkerShape]) -> str:
    """How a plan is written, and what its steps may use."""
    keys = ", ".join(node.passes)
    of_state = f', {{"state": "key"}} for a value that is given (keys: {keys})' if keys else ""
    lines = [_RULES.format(most=node.max_steps, of_state=of_state)]
    return "\n".join([*lines, *(_told_of_worker(name, shape) for name, shape in workers.items())])


def _told_of_worker(name: str, shape: WorkerShape) -> str:
    optional = sorted(shape.inputs.keys() - shape.required)
    inputs = canonical_json(dict(shape.inputs))
    note = f" (may be left out: {', '.join(optional)})" if optional else ""
    yields = f"; yields {canonical_json(shape.output)}" if shape.output else ""
    return f"- {name}: {shape.does.strip()} Inputs: {inputs}{note}{yields}"


def plan_schema(workers: Mapping[str, WorkerShape], *, passes: Collection[str], max_steps: int) -> JsonObject:
    """The JSON Schema of a plan; what it cannot say is in `plan_problems`."""
    steps = [_step_schema(name, shape, passes, max_steps) for name, shape in workers.items()]
    one_of: JsonObject = {"anyOf": list(steps)} if len(steps) > 1 else steps[0]
    return _object({"steps": {"type": "array", "minItems": 1, "maxItems": max_steps, "items": one_of}}, ["steps"])


def _step_schema(name: str, shape: WorkerShape, passes: Collection[str], max_steps: int) -> JsonObject:
    identifier: JsonObject = {"type": "string", "pattern": STEP_ID}
    inputs: JsonObject = {each: _input_schema(schema, passes) for each, schema in shape.inputs.items()}
    return _object(
        {
            "id": identifier,
            "worker": {"const": name},
            "inputs": _object(inputs, sorted(shape.required & shape.inputs.keys())),
            "depends_on": {"type": "array", "maxItems": max_steps, "items": identifier},
        },
        ["id", "worker", "inputs", "depends_on"],
    )


def _input_schema(schema: Mapping[str, Json], passes: Collection[str]) -> JsonObject:
    pattern = r"^(r[0-9]{1,2}\.)?[a-z][a-z0-9_]{0,39}" + _FIELDS
    ways: list[Json] = [_object({"from": {"type": "string", "pattern": pattern}}, ["from"])]
    if passes:
        named = f"^({'|'.join(passes)}){_FIELDS}"
        ways.append(_object({"state": {"type": "string", "pattern": named}}, ["state"]))
    plain = _bounded(schema)
    items = plain.get("items")
    if items is not None:
        plain["items"] = {"anyOf": [items, *ways]}
    return {"anyOf": [plain, *ways]}


def _bounded(schema: Mapping[str, Json]) -> JsonObject:
    """A worker's schema as far as the planner's can say it, every text in it bounded."""
    found: JsonObject = {word: value for word, value in schema.items() if word in _KEPT}
    if schema.get("type") == "string" and "enum" not in schema and "const" not in schema:
        said = schema.get("maxLength", MAX_TEXT)
        found["maxLength"] = min(said, MAX_TEXT) if isinstance(said, int | float) else MAX_TEXT
    items, properties = schema.get("items"), schema.get("properties")
    if isinstance(items, dict):
        found["items"] = _bounded(items)
    if isinstance(properties, dict):
        fields: JsonObject = {name: _bounded(each) for name, each in properties.items() if isinstance(each, dict)}
        found["properties"] = fields
        found |= {word: schema[word] for word in ("required", "additionalProperties") if word in schema}
    return found


def _object(properties: JsonObject, required: Sequence[str]) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def told_of_round(ended: EndedRound) -> str:
    """What a planner is told of an earlier plan: words of ours, and fenced data."""
    number = ended.number
    if ended.problems:
        return f"Your plan {number} could not be run:\n" + _data(f"plan {number}", "\n".join(ended.problems))
    if ended.comment is not None:
        said = _data(f"comment on plan {number}", ended.comment)
        return f"A person did not approve your plan {number} and said:\n{said}\nAnswer with another plan."
    lines = [f"Your plan {number} was run and did not come to its end."]
    for step, result in ended.done.items():
        text = result if isinstance(result, str) else canonical_json(result)
        given = f'{{"from": "r{number}.{step}"}}'
        lines.append(f"Step {step} ({ended.workers[step]}) is done, and {given} stands for its result:")
        lines.append(_data(f"r{number}.{step}", text))
    for step, error in ended.failed.items():
        lines.append(f"Step {step} ({ended.workers[step]}) failed, and may have had its effect all the same:")
        lines.append(_data(f"failure of r{number}.{step}", error))
    lines.append("Answer with another plan for what is left; do not repeat steps that are done.")
    return "\n".join(lines)


def _data(name: str, text: str) -> str:
    return fenced(name, text, max_characters=MAX_SHOWN_RESULT)
