"""Tools: what a workflow may do in the world beside asking models. Ways to reach them are one module each.

`@harness.tools.tool(effect=True)` says of a project's function what kind of tool it is.
"""

# `python_tool` imports the submodule `tool`, so that no later import of it can put the module in the decorator's place.
from harness.tools.python_tool import tool

__all__ = ["tool"]
