"""How the channel of the state that carries origins takes in what several nodes wrote in one step.

A node marks each key that it wrote with what it wrote carries, and with its own place in the run. A person who
approved clears what they saw, and not what another node wrote to the key at the same time.
"""

from collections.abc import Callable, Mapping
from typing import cast

from harness.json_values import Json, JsonObject
from harness.workflow.origins import Origin
from harness.workflow.spec import Reducer, WorkflowSpec

_BY = "by"
_SEEN = "seen"

Marks = Mapping[str, Json]


def written_mark(origin: Origin, place: str) -> JsonObject:
    """What a key carries that was written at a place of the run."""
    return {**origin.to_json(), _BY: place}


def seen_mark(known: Mapping[str, Json] | None) -> JsonObject:
    """That a person saw what a key held, as it was marked then, and approved it."""
    return {_SEEN: None if known is None else known.get(_BY)}


def marks_taken_in(spec: WorkflowSpec) -> Callable[[Marks | None, Marks | None], JsonObject]:
    """The reducer: what is written to a key whose values are joined joins what stood there, else it replaces it."""
    joins = {key for key, declared in spec.state.items() if declared.reducer not in (None, Reducer.LAST)}

    def taken_in(before: Marks | None, after: Marks | None) -> JsonObject:
        found: JsonObject = dict(before or {})
        for key, each in (after or {}).items():
            mark, known = cast("JsonObject", each), cast("JsonObject | None", found.get(key))
            if _SEEN in mark:
                if known is not None and known.get(_BY) == mark[_SEEN]:
                    found[key] = {**known, "untrusted": False}
            elif known is not None and key in joins:
                found[key] = {**mark, **Origin.from_json(known).joined(Origin.from_json(mark)).to_json()}
            else:
                found[key] = mark
        return found

    return taken_in
