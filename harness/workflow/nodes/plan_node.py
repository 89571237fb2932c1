"""Placeholder for the plan_node."""

from typing import Any

from harness.json_values import Json
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.nodes.node_services import Visit


class PlanNodeRunner:
    """To be written."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: Any) -> None:
        self.node = node

    async def run(self, visit: Visit) -> Json:
        """To be written."""
        raise NotImplementedError
