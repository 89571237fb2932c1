"""Whether the models that are bound can do what the nodes ask of them, as the catalogue knows them."""

from collections.abc import Callable

from harness.models.catalogue import Capability
from harness.routing.decision import Decision
from harness.workflow.checking.problems import Problems
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_kinds import ModelNode


def capability_problems(loaded: LoadedWorkflow, decided: Callable[[str, str], Decision]) -> list[str]:
    """What a node asks that a model bound to it cannot do, one line a problem, by the node's place.

    Args:
        decided: the targets of a node and its role.
    """
    problems = Problems(loaded)
    for name, node in loaded.spec.work.items():
        if not isinstance(node, ModelNode):
            continue
        for target in decided(name, node.role).targets:
            model = target.model
            if node.output_schema is not None and Capability.JSON_SCHEMA not in model.capabilities:
                problems.add(
                    ("nodes", name, "schema"),
                    f"{target.model_name!r} is not known to answer by a JSON Schema: bind another model to "
                    f"{node.role!r}, or add `json_schema` to its `capabilities` if it can",
                )
            if node.max_output_tokens >= model.context_tokens:
                problems.add(
                    ("nodes", name, "max_output_tokens"),
                    f"leaves no room for a prompt in the context of {target.model_name!r} "
                    f"({model.context_tokens} tokens): ask for less",
                )
    return problems.sorted()
