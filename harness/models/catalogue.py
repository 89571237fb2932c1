"""Which models there are, what they can do, and which endpoints serve them.

Facts are data: `builtin_catalogue.yaml` beside this file, and the `endpoints:` and `models:` of a bindings file laid
over it. What a token costs is in `prices.py`; who fills which role is in `harness.routing`.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.exceptions import NameUnknown
from harness.models.prices import PricedModel, PriceOverride
from harness.names import nearest_names
from ontology.yaml_documents import parse_yaml

_MOST_TOKENS = 1_000_000_000  # at the dearest rate there can be, the bound of a call still fits the tables' integers


# What POSIX lets a variable be called.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Fact(BaseModel):
    # What was given is in no error: somebody may have pasted a key.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DialectName(StrEnum):
    """The wire dialects there are."""

    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC_MESSAGES = "anthropic_messages"
    GEMINI = "gemini"
    BEDROCK_CONVERSE = "bedrock_converse"
    # Not a wire: a chat model of LangChain's in this process, named by the endpoint's `chat_model`.
    LANGCHAIN = "langchain"


class AuthName(StrEnum):
    """How an endpoint is told who asks."""

    KEY = "key"
    AWS = "aws"
    GOOGLE = "google"


class RequestLimits(_Fact):
    """What an endpoint lets through; calls queue to stay below it, in all processes together.

    None is not known: what the endpoint's rate-limit headers say is used then.
    """

    requests_per_minute: int | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, gt=0)


class Endpoint(_Fact):
    """Where a model is served, and in which dialect.

    Exactly one of `base_url`, `gguf`, `scripted_replies` and `chat_model` says where: an HTTP address, a GGUF file that
    the harness serves on loopback itself (a path, or `package:NAME` for the one inside an installed distribution), a
    file of scripted replies for examples and tests, or the registered name of a chat model of LangChain's.

    Args:
        gguf_env: the environment variable that may name another GGUF file; while it is not set, `gguf` is served.
        api_key_env: the environment variable that holds the key; the key itself is never in a file of ours.
        api_key_file: a file that holds the key and nothing else, read at each call, so that it can be renewed; the
            variable goes before it.
        auth: `aws` signs with AWS credentials, `google` brings Google's access tokens; both are found where their own
            tools find them.
        price_provider: how genai-prices calls this provider; None where every model names its own price.
    """

    dialect: DialectName = DialectName.OPENAI_CHAT
    base_url: str | None = None
    gguf: str | None = None
    gguf_env: str | None = None
    scripted_replies: str | None = None
    chat_model: str | None = Field(default=None, min_length=1)
    api_key_env: str | None = None
    api_key_file: str | None = None
    auth: AuthName = AuthName.KEY
    price_provider: str | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)
    limits: RequestLimits = Field(default_factory=RequestLimits)
    quirks: Mapping[str, str | bool] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [self.base_url, self.gguf, self.scripted_replies, self.chat_model]
        if sum(place is not None for place in places) != 1:
            raise ValueError("an endpoint has exactly one of base_url, gguf, scripted_replies and chat_model")
        if (self.dialect is DialectName.LANGCHAIN) != (self.chat_model is not None):
            raise ValueError("`chat_model` and `dialect: langchain` go together")
        if self.gguf_env is not None and self.gguf is None:
            raise ValueError("gguf_env names a variable that goes before `gguf`: say too what is served without it")
        return self

    @field_validator("api_key_env", "gguf_env", mode="before")
    @classmethod
    def _variable(cls, value: object) -> object:
        if value is None or (isinstance(value, str) and _VARIABLE.fullmatch(value)):
            return value
        # Without the value: a key is often pasted where its variable's name belongs.
        raise ValueError(
            "this is no name of an environment variable (letters, digits and `_`, no digit first); write the "
            "variable's name here and its value in the environment, and if this was the key itself, renew it"
        )

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("base_url is http:// or https:// and a host, such as http://127.0.0.1:8000/v1")
        return value.rstrip("/")


class Capability(StrEnum):
    """What a model can do beside answering in text."""

    JSON_SCHEMA = "json_schema"
    TOOLS = "tools"
    STREAMING = "streaming"
    IMAGES = "images"
    DOCUMENTS = "documents"
    THINKING = "thinking"
    EMBEDDINGS = "embeddings"


class Placement(_Fact):
    """Another endpoint that serves the same model.

    Args:
        price: as of a model, whose own is not taken for it; None asks genai-prices by that endpoint's provider and
            this wire name.
    """

    endpoint: str
    wire_name: str
    price: PriceOverride | None = None


class Model(_Fact):
    """A model as this catalogue knows it.

    Args:
        endpoint: the name of the endpoint that serves it.
        wire_name: how that endpoint calls it; never split, it may hold `:`, `;` and `/`.
        context_tokens: input and output together; what a call may cost is bounded by it, so it may be too large but
            never too small.
        price: an override; None asks genai-prices by the endpoint's `price_provider` and `wire_name`.
        also_at: further endpoints that serve it, in the order in which they are tried.
        fallback: models that answer, in this order, when this one and those that its binding names have failed.
    """

    endpoint: str
    wire_name: str
    context_tokens: int = Field(gt=0, le=_MOST_TOKENS)
    max_output_tokens: int | None = Field(default=None, gt=0, le=_MOST_TOKENS)
    capabilities: frozenset[Capability] = frozenset()
    price: PriceOverride | None = None
    also_at: tuple[Placement, ...] = ()
    fallback: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        endpoints = [self.endpoint, *(place.endpoint for place in self.also_at)]
        if len(set(endpoints)) != len(endpoints):
            raise ValueError("an endpoint stands twice; each is tried once")
        if len(set(self.fallback)) != len(self.fallback):
            raise ValueError("a model stands twice among the fallbacks; each is tried once")
        return self

    def priced_as(self, name: str, endpoint: Endpoint) -> PricedModel:
        """What its price is looked up by, under its name in the catalogue, at the endpoint that it is placed at."""
        elsewhere = any(place.endpoint == self.endpoint for place in self.also_at)
        return PricedModel(name, self.wire_name, endpoint.price_provider, self.price, self.endpoint, elsewhere)

    def placed(self) -> "tuple[Model, ...]":
        """The model once for each endpoint that serves it, as it is called there."""
        others = (self.model_copy(update=dict(place)) for place in self.also_at)
        return (self, *others)


class Catalogue(_Fact):
    """Endpoints and models by name."""

    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    models: dict[str, Model] = Field(default_factory=dict)

    def model(self, name: str) -> Model:
        """The model of this name.

        Raises:
            NameUnknown: with the nearest names there are.
        """
        found = self.models.get(name)
        if found is None:
            raise NameUnknown("model", name, nearest_names(name, self.models))
        return found

    def endpoint_of(self, model: Model) -> Endpoint:
        """The endpoint that serves a model.

        Raises:
            NameUnknown: the model names an endpoint that is not in the catalogue.
        """
        found = self.endpoints.get(model.endpoint)
        if found is None:
            raise NameUnknown("endpoint", model.endpoint, nearest_names(model.endpoint, self.endpoints))
        return found

    def overlaid(self, other: "Catalogue") -> "Catalogue":
        """This catalogue with another's endpoints and models added or put in place of its own."""
        return Catalogue(endpoints=self.endpoints | other.endpoints, models=self.models | other.models)


def builtin_catalogue() -> Catalogue:
    """The models this version knows without being told."""
    text = files("harness.models").joinpath("builtin_catalogue.yaml").read_text(encoding="utf-8")
    return Catalogue.model_validate(parse_yaml(text, name="builtin_catalogue.yaml").value)
