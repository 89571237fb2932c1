"""The most that one run of a workflow can cost, known before it starts: pure arithmetic over what was loaded.

What is counted is what the metered call would hold: every send of every try to every target, at its bound. What
cannot be known before the run is not guessed: a list of unknown length is counted "per item", and a value of unknown
size is bounded by the model's context, because no model takes more. A resumed run may try again what failed, so its
tries come on top. What is left of the budgets is the money store's to say.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from harness.budgets.reservations import input_tokens_bound
from harness.exceptions import NameUnknown
from harness.json_values import Json, JsonObject, canonical_json
from harness.models.messages import ModelRequest
from harness.models.prices import nano_usd, usd
from harness.routing.decision import Decision, Target
from harness.workflow.graph import Graph, graph_of
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import ModelNode
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.prompts import fenced, is_document, variables
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import value_at

# UTF-8 has at most four bytes a character; a fenced document has no character that JSON escapes to more.
_BYTES_A_CHARACTER = 4
# The fence's two lines, the note that a document was cut, and the digits of its length.
_FENCE_BYTES = 256

# The targets that fill a node's role: asked with the node and its role.
Decide = Callable[[str, str], Decision]
# The most that so many input and output tokens cost at a target, US dollars.
Dearest = Callable[[Target, int, int], Decimal]
# The size of a request's body as it would leave for a target, in bytes.
BodyBytes = Callable[[ModelRequest, Target], int]


@dataclass(frozen=True, slots=True)
class Amount:
    """Sends, their input and output tokens together, and US dollars."""

    calls: int = 0
    tokens: int = 0
    usd: Decimal = Decimal(0)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def times(self, count: int) -> "Amount":
        """So many of it."""
        return Amount(self.calls * count, self.tokens * count, self.usd * count)


@dataclass(frozen=True, slots=True)
class NodeWorstCase:
    """The bound of one model node.

    Args:
        models: the targets, in the order they are tried.
        visits: how often the node can run.
        items: questions a visit; None where the list is not known before the run.
        attempts: tries a question.
        send: the dearest single send; its tokens and dollars are those of the largest among the targets.
        question: one question with all its tries at all its targets.
        of_any_size: prompt variables whose size is not known, so that the model's context bounds the input.
    """

    node: str
    role: str
    models: tuple[str, ...]
    visits: int
    items: int | None
    attempts: int
    send: Amount
    question: Amount
    of_any_size: tuple[str, ...]

    @property
    def an_item(self) -> Amount:
        """Everything that one item can cost, over all visits."""
        return self.question.times(self.visits)

    @property
    def total(self) -> Amount | None:
        """The node's bound; None where it is known an item only."""
        return None if self.items is None else self.an_item.times(self.items)


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The bound of one run.

    Args:
        nodes: the model nodes, in the order of the file.
    """

    nodes: tuple[NodeWorstCase, ...]

    @property
    def known(self) -> Amount:
        """What is bounded as a whole; the nodes of `per_item` come on top."""
        return sum((node.total for node in self.nodes if node.total), Amount())

    @property
    def per_item(self) -> tuple[NodeWorstCase, ...]:
        """The nodes over lists whose length is not known; the run as a whole is unbounded where there are any."""
        return tuple(node for node in self.nodes if node.items is None)

    def known_of(self, *, role: str | None = None, model: str | None = None) -> Amount:
        """The known bound of the nodes with a role, or of those that may ask a model."""
        chosen = [
            node
            for node in self.nodes
            if (role is None or node.role == role) and (model is None or model in node.models)
        ]
        return WorstCase(tuple(chosen)).known


def worst_case(
    loaded: LoadedWorkflow,
    decide: Decide,
    dearest: Dearest,
    body_bytes: BodyBytes,
    *,
    values: Mapping[str, Json] | None = None,
    items: int | None = None,
) -> WorstCase:
    """The bound of one run of a checked workflow.

    Args:
        values: state keys as they will be at the start; keys that some node writes are left out of account.
        items: how long to assume every list whose length is not known.

    Raises:
        RoleUnbound, NameUnknown: nothing fills a role.
        PriceUnknown: a target has no price, so a run would be refused.
    """
    known = _never_written(loaded.spec, values or {})
    visits = _visits(loaded.spec)
    bounds: list[NodeWorstCase] = []
    for name, node in loaded.spec.work.items():
        if not isinstance(node, ModelNode) or not visits.get(name):
            continue
        decision = decide(name, node.role)
        request = _with_templates_as_text(loaded, name, node)
        contribution, of_any_size = _size_of_variables(loaded, node, known)
        sends = [
            _send(request, target, None if of_any_size else contribution, dearest, body_bytes)
            for target in decision.targets
        ]
        bounds.append(
            NodeWorstCase(
                node=name,
                role=node.role,
                models=tuple(target.model_name for target in decision.targets),
                visits=visits[name],
                items=_items(node, known, items),
                attempts=node.retry.attempts,
                send=Amount(1, max(each.tokens for each in sends), max(each.usd for each in sends)),
                question=sum(sends, Amount()).times(node.retry.attempts),
                of_any_size=of_any_size,
            )
        )
    return WorstCase(tuple(bounds))


def _send(
    request: ModelRequest, target: Target, contribution: int | None, dearest: Dearest, body_bytes: BodyBytes
) -> Amount:
    """The bound that is held for one send.

    Args:
        contribution: bytes that the prompt's variables bring in at most; None where that is not known.
    """
    most = target.model.max_output_tokens
    output = request.max_output_tokens if most is None else min(request.max_output_tokens, most)
    context = target.model.context_tokens
    if contribution is None:
        entered = context
    else:
        size = body_bytes(request, target) + contribution
        entered = min(input_tokens_bound(size, len(request.messages)), context)
    cost = nano_usd(dearest(target, entered, output), rounding=ROUND_CEILING)
    return Amount(1, entered + output, usd(cost))


def _with_templates_as_text(loaded: LoadedWorkflow, name: str, node: ModelNode) -> ModelRequest:
    """What the node asks, with its templates as they are written: at least as long as they are without variables."""
    templates = [named for named in (node.prompt, node.system) if named is not None]
    literal = {named: loaded.files[named].replace("{{", "{{{{") for named in templates}
    return ModelNodeRunner(replace(loaded, files={**loaded.files, **literal}), name, node).request({})


def _size_of_variables(
    loaded: LoadedWorkflow, node: ModelNode, known: Mapping[str, Json]
) -> tuple[int, tuple[str, ...]]:
    """How many bytes the variables bring in at most, and those for which that cannot be said."""
    size = 0
    of_any_size: dict[str, None] = {}
    for template in (node.prompt, node.system):
        for variable in variables(loaded.files[template]) if template else ():
            values = _known_values(variable.name, node, known)
            fence = is_document(variable.name, node.documents)
            if values is not None:
                shown = (_shown(variable.name, value, node, fence=fence) for value in values)
                size += max(map(_json_bytes, shown), default=0)
            elif fence:
                size += _BYTES_A_CHARACTER * node.max_characters + _FENCE_BYTES + len(variable.name)
            else:
                of_any_size[variable.name] = None
    return size, tuple(of_any_size)


def _known_values(variable: str, node: ModelNode, known: Mapping[str, Json]) -> list[Json] | None:
    """Everything that a variable can stand for; None where that is not known before the run."""
    head, _, rest = variable.partition(".")
    if node.for_each is not None and head == node.item:
        items = known.get(node.for_each)
        if not isinstance(items, list):
            return [] if node.for_each in known else None
        return [_looked_up(rest, item) for item in items]
    return [_looked_up(variable, dict(known))] if head in known else None


def _looked_up(name: str, value: Json) -> Json:
    """The value under a dotted name; nothing where there is none, because then nothing is asked either."""
    if not name:
        return value
    try:
        return value_at(name, value if isinstance(value, dict) else {})
    except NameUnknown:
        return None


def _shown(name: str, value: Json, node: ModelNode, *, fence: bool) -> str:
    """A value as the prompt shows it."""
    text = value if isinstance(value, str) else canonical_json(value)
    return fenced(name, text, max_characters=node.max_characters) if fence else text


def _json_bytes(text: str) -> int:
    """The bytes of a text inside a body."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def _items(node: ModelNode, known: Mapping[str, Json], assumed: int | None) -> int | None:
    if node.for_each is None:
        return 1
    if node.for_each not in known:
        return assumed
    items = known[node.for_each]
    return len(items) if isinstance(items, list) else 0


def _never_written(spec: WorkflowSpec, values: Mapping[str, Json]) -> JsonObject:
    """The values that stay as they are for the whole run."""
    written: set[str] = set()
    for name in spec.work:
        written.update(spec.outputs(name))
    return {key: value for key, value in values.items() if key not in written}


def _visits(spec: WorkflowSpec) -> dict[str, int]:
    """How often each node that can be reached runs at most.

    A node runs once unless a loop leads to it; then its own `max_visits` bounds it, else those of its loop, and where
    branches run beside each other only the run's `limits.steps` does, because a step visits a node once.
    """
    graph = graph_of(spec)
    ahead = {node: _ahead(graph, node) for node in graph.reachable}
    looping = {node for node in graph.reachable if node in ahead[node]}
    branching = len(graph.starts) > 1 or any(len(targets) > 1 for each in graph.choices.values() for targets in each)

    def most(node: str) -> int:
        own = spec.nodes[node].max_visits
        if own is not None:
            return own
        loops = [each for each in looping if node in ahead[each]]
        if not loops:
            return 1
        if branching:
            return spec.limits.steps
        if node not in looping:
            return 1  # one thread of execution leaves a loop once
        # Between two visits every way round passes a bounded node of the same knot of loops.
        knot = [each for each in loops if each in ahead[node]]
        return 1 + sum(spec.nodes[each].max_visits or 0 for each in knot)

    return {node: min(most(node), spec.limits.steps) for node in graph.reachable}


def _ahead(graph: Graph, node: str) -> set[str]:
    """The nodes that may come after a node, itself where a loop leads back."""
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        fresh = graph.successors(waiting.pop()) - seen
        seen |= fresh
        waiting += fresh
    return seen
