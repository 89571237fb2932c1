"""However texts are cut, all of them are asked for once, in their order, under numbers of their own."""

from hypothesis import example, given
from hypothesis import strategies as st

from harness.ledger.entries import CallContext
from harness.metering.embedding_pieces import pieces_of
from harness.models.embeddings import EmbeddingRequest

CONTEXT = CallContext(organisation="acme", person="ada", task_id="t", role="r", path="p", ordinal=5)


def request_of(texts):
    return EmbeddingRequest(texts=tuple(texts), purpose="query")


def sized(*bytes_of):
    return ["x" * size for size in bytes_of]


@given(
    st.lists(st.sampled_from(["", "ä", "x" * 100_000, "y" * 250_000, "z" * 250_001]), min_size=1, max_size=12)
    | st.integers(1, 600).map(lambda count: [str(number) for number in range(count)]),
    st.integers(1, 300),
)
@example(sized(250_001, 1), 1)
def test_every_text_is_in_one_piece_at_its_number(texts, at_once):
    pieces = list(pieces_of(request_of(texts), CONTEXT))
    smaller = [each for piece in pieces for each in piece.split(at_once)]
    for cut in (pieces, smaller):
        assert [text for piece in cut for text in piece.request.texts] == texts
        assert [piece.context.ordinal for piece in cut] == [
            5 + sum(len(each.request.texts) for each in cut[:place]) for place in range(len(cut))
        ]
        assert {piece.request.purpose for piece in cut} == {"query"}
    for piece in pieces:
        size = sum(len(text.encode()) for text in piece.request.texts)
        assert len(piece.request.texts) <= 256
        assert size <= 250_000 or len(piece.request.texts) == 1
    assert all(len(piece.request.texts) <= at_once for piece in smaller)


def test_a_digest_tells_texts_purpose_and_width_apart_and_nothing_else():
    def digest(*texts, **more):
        (piece,) = pieces_of(EmbeddingRequest(texts=texts, **more), CONTEXT)
        return piece.digest

    asked = [digest("a"), digest("a", purpose="query"), digest("a", dimensions=3), digest("ab"), digest("a", "b")]
    assert len(set(asked)) == len(asked)
    assert digest("a") == digest("a")
