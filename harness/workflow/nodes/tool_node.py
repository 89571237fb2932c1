"""Placeholder for the tool_node."""

from typing import Any

from harness.json_values import Json
from harness.workflow.nodes.node_services import Visit


class ToolNodeRunner:
    """To be written."""

    def __init__(self, node: Any) -> None:
        self.node = node

    async def run(self, visit: Visit) -> Json:
        """To be written."""
        raise NotImplementedError
