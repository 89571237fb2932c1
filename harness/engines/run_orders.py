"""What is asked for when a run is, what is stored of that, what came of it and by which steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from harness.engines.run_store import Run
from harness.exceptions import HarnessError, SpecificationInvalid
from harness.json_values import Json, JsonObject
from harness.names import nearest_names
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import RunIdentity
from harness.workflow.origins import CLEAN, ORIGINS, Origin
from harness.workflow.spec import WorkflowSpec
from harness.workflow.state_values import initial_state, misfit


@dataclass(frozen=True, slots=True)
class RunOrder:
    """A run that is asked for.

    Args:
        working_folder: where its files for people go.
        project_folder: the folder of harness.yaml.
    """

    loaded: LoadedWorkflow
    inputs: JsonObject
    person: str
    team: str | None
    working_folder: Path
    project_folder: Path
    binding_version: int

    def check(self) -> None:
        """Let only inputs pass that the workflow takes.

        Raises:
            SpecificationInvalid: with all that do not fit.
        """
        spec, name = self.loaded.spec, self.loaded.name or self.loaded.spec.workflow
        problems = [
            f"{name}: no input {key!r}; it takes {', '.join(spec.inputs) or 'none'}"
            for key in self.inputs
            if key not in spec.inputs
        ]
        problems += [f"{name}: input: {reason}" for reason in misfits(spec, self.inputs)]
        if problems:
            raise SpecificationInvalid(problems)

    def stored(self) -> "StoredOrder":
        """What the run keeps of it."""
        return StoredOrder(self.loaded, self.working_folder, self.team)


@dataclass(frozen=True, slots=True)
class Fork:
    """Where the thread of a forked run begins.

    Args:
        checkpoint_id: of the run it was forked from.
        changes: state keys that hold something else from there on.
    """

    checkpoint_id: str
    changes: JsonObject = field(default_factory=JsonObject)


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """What a run keeps of its order, so that any process can go on with it.

    Args:
        parent_task_id: the task that its own is a part of; None for a run that is no step of another.
        origin: what its inputs carry beside what the workflow says of them.
    """

    loaded: LoadedWorkflow
    working_folder: Path
    team: str | None
    parent_task_id: str | None = None
    fork: Fork | None = None
    origin: Origin = CLEAN

    def to_json(self) -> JsonObject:
        """As it is stored."""
        fork = self.fork
        return {
            "workflow": self.loaded.to_json(),
            "working_folder": str(self.working_folder),
            "team": self.team,
            "parent_task_id": self.parent_task_id,
            "fork": None if fork is None else {"checkpoint_id": fork.checkpoint_id, "changes": fork.changes},
            "origin": self.origin.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> "StoredOrder":
        """What was stored, by this version or an earlier one.

        Raises:
            SpecificationInvalid: it was stored in a format that this version does not read.
        """
        stored = cast("Mapping[str, Json]", value)
        fork = cast("Mapping[str, Json] | None", stored.get("fork"))
        return cls(
            loaded=LoadedWorkflow.from_json(cast("JsonObject", stored["workflow"])),
            working_folder=Path(str(stored["working_folder"])),
            team=cast("str | None", stored.get("team")),
            parent_task_id=cast("str | None", stored.get("parent_task_id")),
            origin=Origin.from_json(cast("JsonObject", stored["origin"])) if "origin" in stored else CLEAN,
            fork=None if fork is None else Fork(str(fork["checkpoint_id"]), cast("JsonObject", fork["changes"])),
        )

    def under(self, loaded: LoadedWorkflow) -> "StoredOrder":
        """The same under another workflow."""
        return replace(self, loaded=loaded)

    def identity(self, run: Run, *, within: tuple[str, ...] = (), resumed: bool) -> RunIdentity:
        """Which run it is, for its nodes; `within`: the runs that it is a step of, the innermost first."""
        return RunIdentity(
            run_id=run.run_id,
            workflow=run.workflow,
            task_id=run.task_id,
            organisation=run.organisation,
            person=run.person,
            team=self.team,
            working_folder=self.working_folder,
            project_folder=Path(run.project),
            resumed=resumed,
            root_run_id=within[-1] if within else run.run_id,
            within=within,
        )


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run, and its state as far as it came."""

    run: Run
    state: JsonObject
    error: HarnessError | None


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One step of a run.

    Args:
        step: 0 for the inputs.
        at: when it was done, UTC.
        ran: the nodes that it ran, in parallel where there are several; empty for the inputs and where a fork begins.
        next: the nodes that run after it; empty where the run ended.
    """

    step: int
    at: datetime
    ran: tuple[str, ...]
    next: tuple[str, ...]


def misfits(spec: WorkflowSpec, values: JsonObject) -> list[str]:
    """Why values do not fit the state keys they are for; a key that is not declared fits nothing."""
    found: list[str] = []
    for key, value in values.items():
        reason = misfit(key, value, spec.state.get(key))
        if reason:
            found.append(reason)
    return found


def unknown_keys(spec: WorkflowSpec, keys: JsonObject) -> list[str]:
    """Words for keys that the state does not have."""
    found: list[str] = []
    for key in keys:
        if key not in spec.state:
            near = nearest_names(key, spec.state)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(spec.state) or 'none'}"
            found.append(f"no state key {key!r}; {hint}")
    return found


def begun_with(spec: WorkflowSpec, inputs: JsonObject, origin: Origin, *, is_step: bool) -> JsonObject:
    """The state before the first node, with what the inputs carry beside what the workflow says of them.

    A run that is a step of another always follows where its values come from: what it makes, the other goes on with.
    """
    start = initial_state(spec, inputs)
    if is_step or origin != CLEAN:
        known = cast("dict[str, JsonObject]", start.setdefault(ORIGINS, {}))
        for key in inputs if origin != CLEAN else ():
            said = Origin.from_json(known[key]) if key in known else CLEAN
            known[key] = said.joined(origin).to_json()
    return start


def origin_of_all(state: Mapping[str, Json]) -> Origin:
    """What a state carries, all of it together."""
    known = cast("Mapping[str, JsonObject]", state.get(ORIGINS) or {})
    return CLEAN.joined(*(Origin.from_json(each) for each in known.values()))
