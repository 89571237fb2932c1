"""The vectors of embeddings as an endpoint wrote them, read without trusting it."""

from harness.json_values import Json


def finite_vector(value: Json) -> tuple[float, ...]:
    """The numbers of a list; empty where it is no list, or one of them is no number that a vector can hold."""
    numbers = value if isinstance(value, list) else []
    try:
        found = tuple(float(each) for each in numbers if isinstance(each, (int, float)) and not isinstance(each, bool))
    except OverflowError:
        return ()
    return found if len(found) == len(numbers) else ()
