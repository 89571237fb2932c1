"""The engine of this machine: runs a workflow in this process and continues those whose process is gone.

A run is recorded before it starts and advanced under a lease. What LangGraph's graph did is in our checkpoints,
written before the next step begins; what models answered is in the money store's journal. So after a kill another
process continues, and nothing that was finished or paid for is done again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.engines.child_runs import StepRuns
from harness.engines.failure_node import run_failure_node
from harness.engines.run_lease import HeldLease, renewed_lease
from harness.engines.run_limits import MoneyRunLimits, is_own_limit
from harness.engines.run_orders import HistoryStep, RunOrder, RunOutcome, StoredOrder
from harness.engines.run_store import NewRun, Run, RunStatus, RunStore
from harness.engines.run_tasks import task_of_run
from harness.engines.workflow_changes import require_migratable
from harness.exceptions import (
    BudgetExceeded,
    HarnessError,
    LeaseHeld,
    MigrationRefused,
    RunCancelled,
    RunInterrupted,
    WaitsForPerson,
)
from harness.json_values import JsonObject
from harness.workflow.events import OnRunEvent, RunEvent
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import ChildRuns, NodeServices, RunContext, RunIdentity
from harness.workflow.spec import WorkflowSpec

if TYPE_CHECKING:
    pass

__all__ = ["LEASE_SECONDS", "EmbeddedEngine", "OnEnded", "RunOrder", "RunOutcome"]

LEASE_SECONDS = 15.0
