"""Run business workflows on any model, within budgets, with a memory that can be taken along.

    import harness

    flow = harness.Workflow("greet", state={"guest": str, "text": str}, inputs=["guest"])
    flow.model("write", role="writer", prompt="Greet {{ guest }}.", output="text")

    async with harness.Harness.of_folder(".", workflows=[flow]) as house:
        run = await house.start(flow, {"guest": "Ada"})
        async for event in run.stream():
            print(event)

Names are loaded when they are first used, so that `import harness` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.assembly import Harness
    from harness.exceptions import HarnessError
    from harness.tools.python_tool import tool
    from harness.workflow.building import Workflow
    from harness.workflow.loading import LoadedWorkflow, load_workflow
    from harness.workflow.nodes.node_context import NodeContext
    from harness.workflow.spec import Reducer, WorkflowSpec

_PLACES = {
    "Harness": "harness.assembly",
    "HarnessError": "harness.exceptions",
    "LoadedWorkflow": "harness.workflow.loading",
    "NodeContext": "harness.workflow.nodes.node_context",
    "Reducer": "harness.workflow.spec",
    "Workflow": "harness.workflow.building",
    "WorkflowSpec": "harness.workflow.spec",
    "load_workflow": "harness.workflow.loading",
    "tool": "harness.tools.python_tool",
}

__all__ = [
    "Harness",
    "HarnessError",
    "LoadedWorkflow",
    "NodeContext",
    "Reducer",
    "Workflow",
    "WorkflowSpec",
    "compile",
    "load_workflow",
    "tool",
]


def compile(workflow: "Workflow | LoadedWorkflow | WorkflowSpec", *, checkpointer: Any = None) -> Any:  # noqa: A001 - LangGraph's word
    """The workflow as a compiled LangGraph graph: to draw, to look into, or to run by oneself.

    A run needs a context that says who pays and where results are journalled: `Harness.run_context` gives it, and
    `Harness.start` does all of it.

    Args:
        checkpointer: any LangGraph checkpoint saver; None keeps no checkpoints.
    """
    from harness.workflow.building import Workflow
    from harness.workflow.compiler import compile_graph
    from harness.workflow.loading import workflow_from_spec
    from harness.workflow.spec import WorkflowSpec

    loaded = workflow.build() if isinstance(workflow, Workflow) else workflow
    loaded = workflow_from_spec(loaded) if isinstance(loaded, WorkflowSpec) else loaded
    return compile_graph(loaded, checkpointer=checkpointer)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'harness' has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PLACES[name]), name)
