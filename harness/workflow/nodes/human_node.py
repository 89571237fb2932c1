"""A human node: a question to a person, with the values it is about, and the answer as the node's output.

Who answered and when is kept with the question; the output is the answer alone.
"""

from collections.abc import Mapping

from harness.exceptions import QuestionExpired
from harness.json_values import Json, JsonObject
from harness.workflow.loading import LoadedWorkflow
from harness.workflow.node_files import answer_schema
from harness.workflow.node_kinds import HumanNode, OnExpiry
from harness.workflow.nodes.asking_people import answer_of_person
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.questions import QuestionKind
from harness.workflow.prompts import render


class HumanNodeRunner:
    """Asks for one node of one workflow; its files are read once."""

    def __init__(self, loaded: LoadedWorkflow, name: str, node: HumanNode) -> None:
        self.node = node
        self._template = loaded.files[node.question]
        self._schema: JsonObject = answer_schema(loaded, name, node)

    async def run(self, visit: Visit) -> Json:
        """The answer; `default` for a question that expired and has one.

        Raises:
            WaitsForPerson: nobody has answered yet.
            QuestionExpired: nobody did in time.
            AnswerRefused: the recorded answer is outside the schema.
        """
        try:
            answer = await answer_of_person(
                visit,
                QuestionKind.ANSWER,
                self._text(visit.values),
                {key: visit.values[key] for key in self.node.shows},
                self._schema,
                to=self.node.to,
                expires_seconds=self.node.expires_seconds,
            )
        except QuestionExpired:
            if self.node.on_expiry is OnExpiry.DEFAULT:
                return self.node.default
            raise
        visit.carried.answered = True
        return answer

    def _text(self, values: Mapping[str, Json]) -> str:
        # No document is fenced or cut here: a person reads it, and hidden characters are shown where it is printed.
        return render(self._template, values, max_characters=1, name=self.node.question)
