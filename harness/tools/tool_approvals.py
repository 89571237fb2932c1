"""Which tools of which servers somebody looked at and let in: the port of the approvals.

A server says for itself what its tools are, and may say something else tomorrow. So an approval holds for a digest of
name, description and schema, and keeps what was approved, to show what changed. Comparing, and turning a changed tool
off, is left to whoever talks to the server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from harness.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class ApprovedTool:
    """A tool as it was approved.

    Args:
        digest: over name, description and schema.
        document: what the digest was made from.
    """

    digest: str
    document: JsonObject
    approved_by: str
    approved_at: datetime


class ToolApprovals(Protocol):
    """The approvals of one organisation. Every call is atomic and survives a power cut."""

    async def approved(self, server: str) -> Mapping[str, ApprovedTool]:
        """The approved tools of a server by their names."""
        ...

    async def approve(self, server: str, tool: str, digest: str, document: JsonObject, person: str) -> None:
        """Let a tool in as it is now; an earlier approval of it is replaced."""
        ...

    async def withdraw(self, server: str, tool: str) -> None:
        """Let a tool in no more; nothing happens where it was not approved."""
        ...
