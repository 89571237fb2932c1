"""The most that one run of a workflow can cost, known before it starts: pure arithmetic over what was loaded.

What is counted is what the metered call would hold: every send of every try to every target, at its bound. What
cannot be known before the run is not guessed: a list of unknown length is counted "per item", and a value of unknown
size is bounded by the model's context, because no model takes more. A resumed run may try again what failed, so its
tries come on top. What is left of the budgets is the money store's to say.
"""

from harness.workflow.worst_case.bounds import Amount, NodeWorstCase, WorstCase
from harness.workflow.worst_case.questions import BodyBytes, Dearest, Decide
from harness.workflow.worst_case.runs import worst_case

__all__ = ["Amount", "BodyBytes", "Dearest", "Decide", "NodeWorstCase", "WorstCase", "worst_case"]
