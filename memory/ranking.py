"""Joining candidates of several kinds into one order. Pure; where candidates come from is left to `search`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fused:
    """A candidate with its scaled scores, each 0 to 1 within its kind; None where a kind did not find it."""

    id: str
    score: float
    lexical: float | None
    dense: float | None


def scaled(scores: Mapping[str, float], floor: float | None = None) -> dict[str, float]:
    """Scores moved to 0..1, the best at 1.

    Args:
        floor: what counts as 0, where the kind of score has a least value; otherwise the worst candidate's. When all
            are equal they are all 1.
    """
    if not scores:
        return {}
    best = max(scores.values())
    least = min(scores.values()) if floor is None else floor
    if best <= least:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - least) / (best - least) for key, score in scores.items()}


def fuse(lexical: Mapping[str, float], dense: Mapping[str, float], *, lexical_weight: float = 0.5) -> list[Fused]:
    """A convex sum of scaled scores, best first; ties by id, so that the order never depends on chance.

    Stronger than reciprocal rank fusion, because ranks throw away how far apart two candidates are.
    Source: Bruch, Gai, Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, https://arxiv.org/abs/2210.11934
    """
    words = scaled(lexical, floor=0.0)
    meanings = scaled(dense)
    fused = [
        Fused(
            key,
            lexical_weight * words.get(key, 0.0) + (1 - lexical_weight) * meanings.get(key, 0.0),
            words.get(key),
            meanings.get(key),
        )
        for key in words.keys() | meanings.keys()
    ]
    return sorted(fused, key=lambda candidate: (-candidate.score, candidate.id))
