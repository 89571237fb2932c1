"""The same agent on a role of the house: one line of it is new."""

import sys

from orders_agent import build_agent

from harness.exceptions import BudgetExceeded
from harness.integrations.langchain import HarnessChatModel


def main(question: str) -> None:
    """Answer one customer and say how it ended."""
    with HarnessChatModel(role="support", task_kind="customer_question") as model:
        agent = build_agent(model)
        for piece, _ in agent.stream({"messages": [("user", question)]}, stream_mode="messages"):
            if piece.type == "tool":
                sys.stdout.write(f"[{piece.name}: {piece.content}]\n")
            else:
                sys.stdout.write(piece.text)
        sys.stdout.write("\n")
        model.outcome(success=True, evidence="the customer wrote thank you")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BudgetExceeded as refused:
        sys.exit(f"not answered: {refused}")
