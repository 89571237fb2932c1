"""Which models there are, what they can do, and which endpoints serve them.

Facts are data: `builtin_catalogue.yaml` beside this file, and the `endpoints:` and `models:` of a bindings file laid
over it. What a token costs is in `prices.py`; who fills which role is in `harness.routing`.
"""

from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.exceptions import NameUnknown
from harness.models.prices import PriceOverride
from harness.names import nearest_names
from ontology.yaml_documents import parse_yaml

_MOST_TOKENS = 1_000_000_000  # at the dearest rate there can be, the bound of a call still fits the tables' integers


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DialectName(StrEnum):
    """The wire dialects there are."""

    OPENAI_CHAT = "openai_chat"


class Endpoint(_Fact):
    """Where a model is served, and in which dialect.

    Exactly one of `base_url`, `gguf` and `scripted_replies` says where: an HTTP address, a GGUF file that the harness
    serves on loopback itself (a path, or `package:NAME` for the one inside an installed distribution), or a file of
    scripted replies for examples and tests.

    Args:
        gguf_env: the environment variable that may name another GGUF file; while it is not set, `gguf` is served.
        api_key_env: the environment variable that holds the key; the key itself is never in a file of ours.
        price_provider: how genai-prices calls this provider; None where every model names its own price.
    """

    dialect: DialectName = DialectName.OPENAI_CHAT
    base_url: str | None = None
    gguf: str | None = None
    gguf_env: str | None = Field(default=None, min_length=1)
    scripted_replies: str | None = None
    api_key_env: str | None = None
    price_provider: str | None = None
    timeout_seconds: float = Field(default=120.0, gt=0)
    quirks: Mapping[str, str | bool] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [self.base_url, self.gguf, self.scripted_replies]
        if sum(place is not None for place in places) != 1:
            raise ValueError("an endpoint has exactly one of base_url, gguf and scripted_replies")
        if self.gguf_env is not None and self.gguf is None:
            raise ValueError("gguf_env names a variable that goes before `gguf`: say too what is served without it")
        return self

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


class Model(_Fact):
    """A model as this catalogue knows it.

    Args:
        endpoint: the name of the endpoint that serves it.
        wire_name: how that endpoint calls it; never split, it may hold `:`, `;` and `/`.
        context_tokens: input and output together; what a call may cost is bounded by it, so it may be too large but
            never too small.
        price: an override; None asks genai-prices by the endpoint's `price_provider` and `wire_name`.
    """

    endpoint: str
    wire_name: str
    context_tokens: int = Field(gt=0, le=_MOST_TOKENS)
    max_output_tokens: int | None = Field(default=None, gt=0, le=_MOST_TOKENS)
    capabilities: frozenset[Capability] = frozenset()
    price: PriceOverride | None = None


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
