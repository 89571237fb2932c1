"""What every node may say: items, conditions, tries, time, what answers instead, and what is kept for the next one."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from harness.json_values import Json
from harness.workflow.spec_values import Expression, Name, SpecModel, StateKey


class RetrySpec(SpecModel):
    """How often a failed node is tried again; only errors that a retry can help are, unless `on` names others.

    The wait doubles from `backoff_seconds` to at most `max_backoff_seconds`, with jitter of up to a half; a longer
    wait that the provider asked for is kept.

    Args:
        on: names of errors of `harness.exceptions` (a parent stands for its children), or of what a project's own
            code raises; nothing else is tried again then.
    """

    attempts: int = Field(default=3, ge=1, le=20)
    backoff_seconds: float = Field(default=1.0, ge=0, le=600)
    max_backoff_seconds: float = Field(default=30.0, ge=0, le=3600)
    on: tuple[str, ...] = ()


class TaskSpec(SpecModel):
    """The piece of business that each item of a `for_each` is: what its calls are charged to.

    `key` names a field of the item; the task's kind and that key make its identity within the run.
    """

    kind: Name
    key: str


class FallbackSpec(SpecModel):
    """What answers when a node has failed for good: another role, or a value. Budgets and people are never evaded."""

    role: Name | None = None
    value: Json = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.role is not None) == ("value" in self.model_fields_set):
            raise ValueError("name a `role` that is asked instead, or a `value` that is taken instead")
        return self


class CacheScope(StrEnum):
    """Who may be given a result that somebody else's run made."""

    PERSON = "person"
    TEAM = "team"
    ORGANISATION = "organisation"


class CacheSpec(SpecModel):
    """Results are kept and given again for equal inputs, under the same binding, to whom `scope` lets see them."""

    seconds: float = Field(gt=0, le=31_536_000)
    scope: CacheScope = CacheScope.PERSON


class OnItemError(StrEnum):
    """What becomes of a list when one of its items fails for good.

    `fail` fails the node, once what is under way is done; `skip` leaves null in the item's place and lists the failure.
    """

    FAIL = "fail"
    SKIP = "skip"


class NodeOptions(SpecModel):
    """What every node may say.

    Args:
        for_each: the state key of a list; the node runs once an item and its output is the list of results, in order.
        item: what an item is called in prompts and arguments.
        on_item_error: whether an item that fails for good fails the node, or is skipped and listed in `errors`.
        errors: the state key that lists skipped items, each `{item, error, message}`, `item` being its place.
        when: a state key or an expression; the node is passed over unless it is true (a list: not empty).
        fallback: what answers when the node has failed for good.
        cache: keep results, and give them again for equal inputs.
        max_visits: how often a loop may come back here; a loop needs it on one of its nodes.
    """

    description: str | None = None
    for_each: StateKey | None = None
    item: StateKey = "item"
    max_concurrency: int = Field(default=4, ge=1, le=1000)
    on_item_error: OnItemError = OnItemError.FAIL
    errors: StateKey | None = None
    task: TaskSpec | None = None
    when: Expression | None = None
    retry: RetrySpec = Field(default_factory=RetrySpec)
    timeout_seconds: float | None = Field(default=None, gt=0)
    fallback: FallbackSpec | None = None
    cache: CacheSpec | None = None
    max_visits: int | None = Field(default=None, ge=1, le=10_000)
