"""A role of the house as a chat model of LangChain's: bound, metered and budgeted like any node's call.

Which model answers is in the bindings, never here. What LangChain does around a model (callbacks, retries, fallbacks,
caches, agents) works as with any other; errors of the house go through it as they are.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation
from typing_extensions import override

from harness.integrations.langchain.charged_task import ChargedTask
from harness.integrations.langchain.houses import HOUSES, House
from harness.integrations.langchain.neutral_messages import neutral_messages
from harness.integrations.langchain.request_arguments import (
    SHAPE,
    AnyTool,
    bound_choice,
    bound_tool,
    request_arguments,
)
from harness.integrations.langchain.role_question import RoleQuestion
from harness.integrations.langchain.structured_output import reader_of, shape_of
from harness.integrations.langchain.told_answers import AnswerChunks, ai_message
from harness.model_call import Answer
from harness.models.messages import ModelRequest
from harness.models.request_options import Thinking


class HarnessChatModel(BaseChatModel):
    """Asks whichever model fills a role.

    Args:
        role: as bindings name it.
        house: where it is asked; it lives in the event loop in which this object was made, else in a thread. None opens
            the one of `folder`, once a process, and closes it when the process ends or this object's `with` block does.
        folder: of the project; the working folder by default.
        task: the id of the task that is charged; None makes one for this object.
        task_kind: what sort of business it is, in `harness costs`.
        max_tokens: of an answer, thoughts included; without a limit nothing could be held for it.
        stop: texts that end an answer.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True, extra="forbid")

    role: str
    house: SkipValidation[House | None] = Field(default=None, exclude=True, repr=False)
    folder: Path = Field(default=Path(), exclude=True, repr=False)
    task: str | None = None
    task_kind: str = "langchain"
    max_tokens: int = Field(default=4096, gt=0, alias="max_output_tokens")
    temperature: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    thinking: Thinking | None = None
    service_tier: str | None = None
    _charged: ChargedTask = PrivateAttr()

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._charged = ChargedTask(kind=self.task_kind, task_id=self.task)
        if self.house is not None:
            HOUSES.met(self.house)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder's house for all who ask there; one that was handed in is its owner's to close. Idempotent."""
        if self.house is None:
            HOUSES.close_folder(self.folder)

    @property
    def task_id(self) -> str:
        """The task that is charged."""
        return self._charged.id

    def for_task(self, task: str | None = None, *, kind: str | None = None) -> Self:
        """The same model, charging another task.

        Args:
            task: its id; None makes a new one.
        """
        changed = {"task": task, "task_kind": kind or self.task_kind}
        other = self.model_copy(update=changed)
        other._charged = ChargedTask(kind=other.task_kind, task_id=task)  # noqa: SLF001 - of its own class
        return other

    def outcome(self, *, success: bool, evidence: str, value_usd: Decimal | None = None) -> None:
        """Say how the task ended, so that what a completed one costs is known; the last word counts.

        Args:
            evidence: who or what says so.
        """
        house = self._house()
        HOUSES.done_waiting(
            house, lambda: self._charged.end(house, success=success, evidence=evidence, value_usd=value_usd)
        )

    async def aoutcome(self, *, success: bool, evidence: str, value_usd: Decimal | None = None) -> None:
        """As `outcome`."""
        house = self._house()
        await HOUSES.done(
            house, lambda: self._charged.end(house, success=success, evidence=evidence, value_usd=value_usd)
        )

    # What LangChain asks of a chat model.

    @property
    @override
    def _llm_type(self) -> str:
        return "harness"

    @property
    @override
    def _identifying_params(self) -> Mapping[str, Any]:
        shown = self.model_dump(
            include={"role", "max_tokens", "temperature", "seed", "stop", "thinking", "service_tier"}
        )
        return {name: value for name, value in shown.items() if value is not None}

    @classmethod
    @override
    def is_lc_serializable(cls) -> bool:
        return False

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "harness"
        params["ls_model_name"] = self.role
        return params

    @override
    def bind_tools(
        self,
        tools: Sequence[AnyTool],
        *,
        tool_choice: str | bool | Mapping[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tools that the model may ask for: mappings, pydantic classes, functions, LangChain's tools.

        Args:
            tool_choice: `auto`, `none`, `any` (or `required`, or True), or a tool's name.
            parallel_tool_calls: whether several may be asked for at once; None leaves the vendor's default.
            kwargs: further arguments of each call. `strict` is taken and changes nothing: how a vendor holds a model
                to a tool's schema is the dialect's.

        Raises:
            ConfigurationInvalid: a tool that is none, or a choice of none of them.
        """
        made = [bound_tool(tool) for tool in tools]
        bound: dict[str, Any] = {"tools": made, **kwargs}
        if (choice := bound_choice(tool_choice, made)) is not None:
            bound["tool_choice"] = choice
        if parallel_tool_calls is not None:
            bound["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**bound)

    @override
    def with_structured_output(
        self,
        schema: Mapping[str, Any] | type,
        *,
        include_raw: bool = False,
        method: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers of one shape: a pydantic class's instances, or plain values.

        Args:
            include_raw: give `raw`, `parsed` and `parsing_error` instead, and raise nothing for a wrong answer.
            method: `json_schema` or `function_calling`; None takes the first if the bound model can do it.

        Raises:
            ConfigurationInvalid: a schema or method that cannot be used. An answer outside the shape is LangChain's
                `OutputParserException`.
        """
        kwargs.pop("strict", None)
        shape = shape_of(schema, method)
        # The second is for LangChain's tracers, which look for it under this name.
        traced = {"kwargs": {"method": method or "json_schema"}, "schema": schema}
        asked = self.bind(**{SHAPE: shape.to_json(), "ls_structured_output_format": traced}, **kwargs)
        read = RunnableLambda(reader_of(schema, shape))
        if not include_raw:
            return asked | read
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | read, parsing_error=lambda _: None)
        unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=asked) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = self._asked(messages, stop, kwargs)
        house = self._house()
        return _result(HOUSES.done_waiting(house, lambda: asked.answer(house, None)))

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        asked = self._asked(messages, stop, kwargs)
        house = self._house()
        return _result(await HOUSES.done(house, lambda: asked.answer(house, None)))

    @override
    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        asked, chunks = self._asked(messages, stop, kwargs), AnswerChunks()
        house = self._house()
        for heard in HOUSES.heard_waiting(house, lambda on_event: asked.answer(house, on_event)):
            chunk = chunks.of_end(heard) if isinstance(heard, Answer) else chunks.of_event(heard)
            if chunk is not None:
                yield chunk

    @override
    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        asked, chunks = self._asked(messages, stop, kwargs), AnswerChunks()
        house = self._house()
        async for heard in HOUSES.heard(house, lambda on_event: asked.answer(house, on_event)):
            chunk = chunks.of_end(heard) if isinstance(heard, Answer) else chunks.of_event(heard)
            if chunk is not None:
                yield chunk

    def _asked(self, messages: list[BaseMessage], stop: list[str] | None, given: Mapping[str, Any]) -> RoleQuestion:
        own = {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}
        own |= {"thinking": self.thinking, "service_tier": self.service_tier}
        fields, shape = request_arguments(own | dict(given))
        ends = tuple(stop if stop is not None else self.stop or ())
        request = ModelRequest(messages=neutral_messages(messages), stop=ends, **fields)
        return RoleQuestion(self.role, self._charged, request, shape)

    def _house(self) -> House:
        return self.house if self.house is not None else HOUSES.of_folder(self.folder)


def _result(answer: Answer) -> ChatResult:
    message = ai_message(answer)
    return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": answer.model})
