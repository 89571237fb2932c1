"""The metered call for texts that become vectors: route -> hold -> send -> price -> settle -> record, as `model_call`.

Many texts leave in several requests, each held, charged and journalled by itself. Vectors of two models cannot be
compared, so only another endpoint of the same model stands in for one that failed.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal

from harness.budgets.reservations import input_tokens_bound
from harness.dialects.dialect import EmbeddingDialect
from harness.dialects.wire import WireRequest
from harness.exceptions import Broken, ConfigurationInvalid
from harness.ledger.entries import CallContext, Journalled
from harness.metering.attempts import Attempt, Attempts, OnHeaders
from harness.metering.connection import Connection, Connections
from harness.metering.embedding_pieces import EmbeddingPiece, pieces_of
from harness.metering.metered_send import MeteredSends, SendOrder
from harness.metering.packed_vectors import PackedVectors
from harness.model_call import Router
from harness.models.catalogue import Capability, DialectName
from harness.models.embeddings import EmbeddingReply, EmbeddingRequest
from harness.models.prices import usd
from harness.models.usage import Usage
from harness.routing.decision import Decision, Target


@dataclass(frozen=True, slots=True)
class EmbeddingAnswer:
    """Vectors and how they came.

    Args:
        reply: a vector a text, in their order, in float32; its usage is of all requests together, None where one did
            not say, and its `request_id` is None where there were several.
        model: the catalogue's name of the model.
        sends: how many requests left for it in this process; zero where all was journalled.
        replayed: all of it was paid for earlier and is read from the journal.
        cost_usd: of the sends that brought it.
    """

    reply: EmbeddingReply
    model: str
    sends: int
    replayed: bool
    cost_usd: Decimal


class EmbeddingCall:
    """Asks embedding models, within budgets, and remembers every vector that was paid for.

    Args:
        dialects: how each wire embeds; one that is not here cannot.
    """

    def __init__(
        self,
        *,
        router: Router,
        connections: Connections,
        sends: MeteredSends,
        attempts: Attempts,
        dialects: Mapping[DialectName, EmbeddingDialect],
    ) -> None:
        self._router = router
        self._connections = connections
        self._sends = sends
        self._attempts = attempts
        self._dialects = dialects

    def of_router(self, router: Router) -> "EmbeddingCall":
        """The same by other bindings."""
        other = copy(self)
        other._router = router  # noqa: SLF001 - of its own class
        return other

    async def route(self, context: CallContext) -> Decision:
        """Who would be asked now, each a place of one model; nothing is held or sent.

        Raises:
            RoleUnbound, NameUnknown: nothing fills the role.
            ConfigurationInvalid: what fills it does not embed, or another model would stand in for it.
        """
        decision = await self._router.route(context)
        _check(decision, context.role, self._dialects)
        return decision

    async def embed(self, request: EmbeddingRequest, context: CallContext, *, resumed: bool = False) -> EmbeddingAnswer:
        """The vectors of texts, by the model that fills the context's role.

        A request for the texts from number n on has the ordinal of the context plus n.

        Args:
            resumed: the run was begun by an earlier process, so the journal is read before anything else: what is
                there needs no binding, no budget and no server.

        Raises:
            BudgetExceeded, PriceUnknown, RoleUnbound, ConfigurationInvalid: what is asked next was not sent.
            ProviderError: of the model's last endpoint, when all failed.
        """
        kept = _Kept(context.role)
        decision: Decision | None = None
        for piece in pieces_of(request, context):
            left = await self._not_journalled(piece, kept) if resumed else piece
            if left is None:
                continue
            # Requests leave in order, so that nothing after the first that is missing is looked for.
            resumed = False
            decision = decision or await self.route(context)
            for smaller in left.split(self._texts_at_once(decision)):
                await self._ask(smaller, decision, kept)
        return kept.answer()

    async def _not_journalled(self, piece: EmbeddingPiece, kept: "_Kept") -> EmbeddingPiece | None:
        """What is left of a piece when all is kept that the journal has from its beginning on.

        How many texts came in one request, who answered then has decided, so each number is looked for.
        """
        left: EmbeddingPiece | None = piece
        likely = len(piece.request.texts)
        while left is not None:
            for asked, after in left.beginnings(likely):
                known = await self._sends.journalled(asked.context, asked.digest)
                if known is not None:
                    kept.add_known(known)
                    likely, left = len(asked.request.texts), after
                    break
            else:
                return left
        return None

    async def _ask(self, piece: EmbeddingPiece, decision: Decision, kept: "_Kept") -> None:
        kept.check_model(decision.targets[0].model_name)
        question = _Question(piece, decision.binding_version, self._connections)
        answered = await self._attempts.first_answer(decision.targets, question)
        kept.sends += question.sends
        if isinstance(answered.sent, Journalled):
            kept.add_known(answered.sent)
        else:
            kept.add(answered.sent.reply, answered.target, usd(answered.sent.charge.nano_usd))

    def _texts_at_once(self, decision: Decision) -> int:
        """What each of the endpoints takes, so that any may answer any request."""
        return max(
            1,
            min(
                self._dialects[each.endpoint.dialect].texts_at_once(each.model, each.endpoint)
                for each in decision.targets
            ),
        )


@dataclass(slots=True)
class _Question:
    """Implements `Question` for one piece.

    Args:
        sends: how many requests have left for it.
    """

    piece: EmbeddingPiece
    binding_version: int
    connections: Connections
    sends: int = 0

    @property
    def heard(self) -> bool:
        """Vectors come whole or not at all."""
        return False

    async def attempt(self, target: Target) -> Attempt[PackedVectors]:
        """See the port."""
        connection = await self.connections.open(target)
        dialect = connection.embedding
        assert dialect is not None, "every target was checked to embed"
        request = self.piece.request
        wire = dialect.encode_texts(request, connection.target)
        texts = len(request.texts)
        order = SendOrder(
            context=self.piece.context,
            digest=self.piece.digest,
            target=target,
            binding_version=self.binding_version,
            # No provider reads more of a text than its context, so the bytes need not bound beyond it.
            input_bound=min(input_tokens_bound(len(wire.body), texts), texts * target.model.context_tokens),
            output_bound=0,
        )

        async def exchange(signed: WireRequest, on_headers: OnHeaders) -> PackedVectors:
            self.sends += 1
            return await _exchanged(connection, dialect, signed, request, on_headers)

        return Attempt(order, connection, wire, exchange)


@dataclass(slots=True)
class _Kept:
    """The vectors that are there already, and how they came."""

    role: str
    sends: int = 0
    cost_usd: Decimal = Decimal(0)
    replayed: bool = True
    model: str | None = None
    replies: list[PackedVectors] = field(default_factory=list[PackedVectors])

    def add_known(self, known: Journalled) -> None:
        """Take what the journal has.

        Raises:
            ConfigurationInvalid: another model answered for texts before these.
        """
        self.check_model(known.model)
        self.replies.append(PackedVectors.model_validate_json(known.reply))

    def add(self, reply: PackedVectors, target: Target, cost_usd: Decimal) -> None:
        """Take what was sent for.

        Raises:
            Broken: its vectors are not as wide as those before.
        """
        self.check_model(target.model_name)
        if self.replies and reply.width != self.replies[0].width:
            widths = f"vectors of {reply.width} dimensions after vectors of {self.replies[0].width}"
            raise Broken(target.endpoint_name, widths)
        self.replies.append(reply)
        self.cost_usd += cost_usd
        self.replayed = False

    def check_model(self, name: str) -> None:
        """That all vectors are one model's; what was kept earlier of another cannot be mixed with them.

        Raises:
            ConfigurationInvalid: they are not.
        """
        if self.model not in (None, name):
            raise ConfigurationInvalid(
                "model",
                name,
                f"binding of the role {self.role!r}",
                f"some of these texts were embedded by {self.model!r} before, and vectors of two models cannot be "
                f"compared: bind {self.model!r} to finish this, or begin anew",
            )
        self.model = name

    def answer(self) -> EmbeddingAnswer:
        """All of it."""
        assert self.model is not None, "a request has at least one text"
        first = self.replies[0]
        reply = EmbeddingReply(
            vectors=tuple(vector for reply in self.replies for vector in reply.vectors()),
            usage=_together([reply.usage for reply in self.replies]),
            model=first.model,
            request_id=first.request_id if len(self.replies) == 1 else None,
        )
        return EmbeddingAnswer(reply, self.model, self.sends, replayed=self.replayed, cost_usd=self.cost_usd)


def _check(decision: Decision, role: str, dialects: Mapping[DialectName, EmbeddingDialect]) -> None:
    """That one model that embeds, and no other, fills a role, at endpoints that can be asked to."""
    bound = f"binding of the role {role!r}"
    first = decision.targets[0]
    if Capability.EMBEDDINGS not in first.model.capabilities:
        remedy = "it is not known to embed: bind a model that does, or add `embeddings` to its `capabilities` if it can"
        raise ConfigurationInvalid("model", first.model_name, bound, remedy)
    others = sorted({target.model_name for target in decision.targets} - {first.model_name})
    if others:
        remedy = (
            f"vectors of another model cannot be compared with those of {first.model_name!r}: take it out, and name "
            "further endpoints of the same model under its `also_at`"
        )
        raise ConfigurationInvalid("fallback", ", ".join(others), bound, remedy)
    for target in decision.targets:
        if target.endpoint.dialect not in dialects:
            remedy = "it has no way to embed texts: serve the model at endpoints of another dialect"
            raise ConfigurationInvalid("dialect", target.endpoint.dialect, f"endpoint {target.endpoint_name!r}", remedy)


async def _exchanged(
    connection: Connection,
    dialect: EmbeddingDialect,
    wire: WireRequest,
    request: EmbeddingRequest,
    on_headers: OnHeaders,
) -> PackedVectors:
    origin = connection.target.origin
    response = await connection.transport.send(wire)
    on_headers(response.headers)
    if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        raise dialect.error(response, origin.endpoint)
    reply = dialect.decode_vectors(response, origin, texts=len(request.texts))
    try:
        packed = PackedVectors.of(reply)
    except ValueError as error:
        raise Broken(origin.endpoint, f"its vectors cannot be used: {error}", status=response.status) from error
    if request.dimensions not in (None, packed.width):
        reason = f"vectors of {packed.width} dimensions where {request.dimensions} were asked for"
        raise Broken(origin.endpoint, reason, status=response.status)
    return packed


def _together(usages: list[Usage]) -> Usage:
    """The sum; None where one is not known."""

    def total(numbers: list[int | None]) -> int | None:
        known = [number for number in numbers if number is not None]
        return sum(known) if len(known) == len(numbers) else None

    return Usage(
        input_tokens=total([usage.input_tokens for usage in usages]),
        output_tokens=total([usage.output_tokens for usage in usages]),
        cache_read_tokens=total([usage.cache_read_tokens for usage in usages]),
    )
