"""How a node asks a person: the question is recorded once, the run put down, and the answer read when it goes on.

Whatever asks (a human node, an approval of a tool's call or of a plan) asks through here, so that each question has
its digest and each answer was held to its schema.
"""

from datetime import timedelta

from harness.exceptions import AnswerRefused, QuestionExpired, WaitsForPerson
from harness.json_values import Json, JsonObject, digest_of
from harness.workflow.answers import value_problem
from harness.workflow.events import QuestionAnswered, QuestionAsked
from harness.workflow.nodes.node_services import Visit
from harness.workflow.nodes.questions import AskedQuestion, Question, QuestionKind, QuestionStatus

_MOST_WORDS = 200


def question_digest(kind: QuestionKind, text: str, shows: Json, answer_schema: JsonObject) -> str:
    """What an answer is given for: a person who saw other words or values did not answer this."""
    return digest_of({"kind": kind.value, "text": text, "shows": shows, "schema": answer_schema})


def shows_what_it_says(question: Question) -> bool:
    """Whether the digest is really of what the question shows."""
    return question.digest == question_digest(question.kind, question.text, question.shows, question.answer_schema)


def require_fitting(question_id: str, question: Question, answer: Json) -> None:
    """Let only an answer inside the question's schema pass.

    Raises:
        AnswerRefused: with what is wrong with it.
    """
    problem = value_problem(answer, question.answer_schema)
    if problem is not None:
        raise AnswerRefused(question_id, problem)


async def answer_of_person(
    visit: Visit,
    kind: QuestionKind,
    text: str,
    shows: Json,
    answer_schema: JsonObject,
    *,
    place: str = "",
    to: tuple[str, ...] = (),
    expires_seconds: float | None = None,
) -> Json:
    """A person's answer, where there is one by now; the first asking records the question.

    Args:
        place: of the part of the node's work that asks, such as `tool#2`; empty for the node itself.
        expires_seconds: counted from the first asking, however often the node runs again.

    Raises:
        WaitsForPerson: nobody has answered yet.
        QuestionExpired: nobody did in time.
        AnswerRefused: what is recorded is no answer to this question.
    """
    services = visit.services
    expires_at = None if expires_seconds is None else services.clock() + timedelta(seconds=expires_seconds)
    asked = await services.questions.ask(
        Question(
            path=f"{visit.path}/{place}" if place else visit.path,
            node=visit.node,
            kind=kind,
            text=text,
            shows=shows,
            answer_schema=answer_schema,
            digest=question_digest(kind, text, shows, answer_schema),
            to=to,
            expires_at=expires_at,
        )
    )
    # From here on the recorded question counts: its time runs since it was first asked.
    question = asked.question
    match asked.status:
        case QuestionStatus.ANSWERED:
            require_fitting(asked.question_id, question, asked.answer)
            services.on_event(QuestionAnswered(visit.node, asked.question_id, asked.answered_by or ""))
            return asked.answer
        case QuestionStatus.EXPIRED:
            raise QuestionExpired(visit.run.run_id, visit.node, question.expires_at or asked.asked_at)
        case QuestionStatus.OPEN:
            services.on_event(
                QuestionAsked(visit.node, asked.question_id, kind.value, question.digest, question.expires_at)
            )
            raise WaitsForPerson(_started(visit), visit.node, _first_words(asked))


def _started(visit: Visit) -> str:
    """The run that somebody started, which is the one to be answered and to be resumed."""
    return visit.run.root_run_id or visit.run.run_id


def _first_words(asked: AskedQuestion) -> str:
    words = " ".join(asked.question.text.split())
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}..."
