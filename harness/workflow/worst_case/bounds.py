"""How bounds come together: added, the dearest of several, so many times, and capped by a limit that is held."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal


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

    def at_most(self, usd: Decimal | None) -> "Amount":
        """The same where a limit on money holds it up; its sends and tokens are not known to be fewer."""
        return self if usd is None else replace(self, usd=min(self.usd, usd))


def dearest_of(amounts: Iterable[Amount]) -> Amount:
    """What no one of them passes."""
    known = list(amounts)
    return Amount(
        max((each.calls for each in known), default=0),
        max((each.tokens for each in known), default=0),
        max((each.usd for each in known), default=Decimal(0)),
    )


@dataclass(frozen=True, slots=True)
class NodeWorstCase:
    """The bound of what one node asks of one role.

    Args:
        node: the node; where it asks several roles or runs another workflow, the place within: `plan/planner`,
            `plan/workers/reader`, `brief/fallback`, `child/classify`.
        models: the targets, in the order they are tried.
        visits: how often the node can run.
        items: questions a visit; None where the list is not known before the run.
        attempts: tries a question.
        send: the dearest single send; its tokens and dollars are those of the largest among the targets.
        question: one question with all that follows from it, at all its targets: tries, repairs, an agent's steps.
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
class Together:
    """What all comes, under one limit on money where there is one."""

    parts: tuple["Bound", ...]
    limit_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Of which one comes, and it is not known which."""

    parts: tuple["Bound", ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What comes so often: `items` is None where the list is not known before the run.

    Args:
        place: the node that it is a part of.
    """

    part: "Bound"
    visits: int
    items: int | None
    place: str


Bound = NodeWorstCase | Together | OneOf | Repeated


def known_amount(bound: Bound, counts: Callable[[NodeWorstCase], bool]) -> Amount:
    """What is bounded as a whole of the nodes that count."""
    match bound:
        case NodeWorstCase():
            return (bound.total or Amount()) if counts(bound) else Amount()
        case Together():
            return sum((known_amount(part, counts) for part in bound.parts), Amount()).at_most(bound.limit_usd)
        case OneOf():
            return dearest_of(known_amount(part, counts) for part in bound.parts)
        case Repeated():
            return known_amount(bound.part, counts).times(bound.visits * (bound.items or 0))


def nodes_of(bound: Bound) -> Iterator[NodeWorstCase]:
    """The nodes of a bound, each as often as it comes, by its place from outside."""
    match bound:
        case NodeWorstCase():
            yield bound
        case Together() | OneOf():
            for part in bound.parts:
                yield from nodes_of(part)
        case Repeated():
            for node in nodes_of(bound.part):
                items = None if bound.items is None or node.items is None else bound.items * node.items
                yield replace(node, node=f"{bound.place}/{node.node}", visits=bound.visits * node.visits, items=items)


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The bound of one run.

    Args:
        bound: of the workflow with all that it runs, under the run's own limit.
        limit_usd: what the run may cost by its own limit, whatever is not known of it.
    """

    bound: Bound
    limit_usd: Decimal | None = None

    @property
    def nodes(self) -> tuple[NodeWorstCase, ...]:
        """What asks models, in the order of the file."""
        return tuple(nodes_of(self.bound))

    @property
    def known(self) -> Amount:
        """What is bounded as a whole; the nodes of `per_item` come on top."""
        return known_amount(self.bound, lambda _: True)

    @property
    def per_item(self) -> tuple[NodeWorstCase, ...]:
        """The nodes over lists whose length is not known; but for a limit, the run is unbounded where there are any."""
        return tuple(node for node in self.nodes if node.items is None)

    def known_of(self, *, role: str | None = None, model: str | None = None) -> Amount:
        """The known bound of what asks a role, or may ask a model."""

        def counts(node: NodeWorstCase) -> bool:
            return (role is None or node.role == role) and (model is None or model in node.models)

        return known_amount(self.bound, counts)
