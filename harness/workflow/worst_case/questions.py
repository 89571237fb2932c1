"""The bound of one question to a role: its sends to every target, each at the size that its prompt can come to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from harness.budgets.reservations import input_tokens_bound
from harness.exceptions import NameUnknown
from harness.json_values import Json, canonical_json
from harness.models.messages import ModelRequest
from harness.models.prices import nano_usd, usd
from harness.routing.decision import Decision, Target
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import ModelNode
from harness.workflow.nodes.model_node import ModelNodeRunner
from harness.workflow.prompts import fenced, is_document, variables
from harness.workflow.state_values import value_at
from harness.workflow.worst_case.bounds import Amount, dearest_of

# UTF-8 has at most four bytes a character; a fenced document has no character that JSON escapes to more.
_BYTES_A_CHARACTER = 4
# The fence's two lines, the note that a document was cut, and the digits of its length.
_FENCE_BYTES = 256

# The targets that fill a node's role: asked with the workflow, the node and its role.
Decide = Callable[[str, str, str], Decision]
# The most that so many input and output tokens cost at a target, US dollars.
Dearest = Callable[[Target, int, int], Decimal]
# The size of a request's body as it would leave for a target, in bytes.
BodyBytes = Callable[[ModelRequest, Target], int]


@dataclass(frozen=True, slots=True)
class Question:
    """What one try at one question can cost.

    Args:
        send: the dearest single send.
        whole: the question and what follows from its answers, each sent to every target.
    """

    models: tuple[str, ...]
    send: Amount
    whole: Amount
    of_any_size: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Questions:
    """What questions cost: with bindings, prices and dialects as they are now."""

    decide: Decide
    dearest: Dearest
    body_bytes: BodyBytes

    def of_model(self, loaded: LoadedWorkflow, name: str, node: ModelNode, known: Mapping[str, Json]) -> Question:
        """A model node's question, and as many more as answers outside the schema are sent back.

        What is sent back with such an answer has no size that is known, so the model's context bounds it.
        """
        decision = self.decide(loaded.spec.workflow, name, node.role)
        request = _with_templates_as_text(loaded, name, node)
        contribution, of_any_size = _size_of_variables(loaded, node, known)
        size = None if of_any_size else contribution
        first = [self._sized(request, target, size) for target in decision.targets]
        repairs = node.repair if node.output_schema is not None else 0
        again = [self._full(target, node.max_output_tokens) for target in decision.targets] if repairs else []
        whole = sum(first, Amount()) + sum(again, Amount()).times(repairs)
        return Question(_models(decision), dearest_of([*first, *again]), whole, of_any_size)

    def of_any_size(self, workflow: str, node: str, role: str, *, max_output_tokens: int, sends: int) -> Question:
        """So many sends whose prompts are bounded by the model's context alone."""
        decision = self.decide(workflow, node, role)
        each = [self._full(target, max_output_tokens) for target in decision.targets]
        return Question(_models(decision), dearest_of(each), sum(each, Amount()).times(sends))

    def _sized(self, request: ModelRequest, target: Target, contribution: int | None) -> Amount:
        """The bound that is held for one send.

        Args:
            contribution: bytes that the prompt's variables bring in at most; None where that is not known.
        """
        if contribution is None:
            return self._full(target, request.max_output_tokens)
        size = self.body_bytes(request, target) + contribution
        entered = min(input_tokens_bound(size, len(request.messages)), target.model.context_tokens)
        return self._send(target, entered, request.max_output_tokens)

    def _full(self, target: Target, max_output_tokens: int) -> Amount:
        return self._send(target, target.model.context_tokens, max_output_tokens)

    def _send(self, target: Target, entered: int, max_output_tokens: int) -> Amount:
        most = target.model.max_output_tokens
        output = max_output_tokens if most is None else min(max_output_tokens, most)
        cost = nano_usd(self.dearest(target, entered, output), rounding=ROUND_CEILING)
        return Amount(1, entered + output, usd(cost))


def _models(decision: Decision) -> tuple[str, ...]:
    # A model that several endpoints serve is several targets, and counted so; its name is said once.
    return tuple(dict.fromkeys(target.model_name for target in decision.targets))


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
