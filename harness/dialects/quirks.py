"""Quirks: what an endpoint's entry in the catalogue says that its wire wants different. Each dialect has its own."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.exceptions import ConfigurationInvalid
from harness.models.catalogue import Endpoint


class Quirks(BaseModel):
    """What an endpoint's `quirks` may say in one dialect; a name that it does not know is refused.

    Attributes:
        dialect: whose they are, as complaints name it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dialect: ClassVar[str]

    @classmethod
    def of(cls, endpoint_name: str, endpoint: Endpoint) -> Self:
        """The quirks of one endpoint.

        Raises:
            ConfigurationInvalid: one of them is unknown or has a value that is not allowed.
        """
        try:
            return cls.model_validate(dict(endpoint.quirks))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            value = str(endpoint.quirks.get(name))
            remedy = f"{first['msg']}; quirks of {cls.dialect}: {', '.join(cls.model_fields)}"
            raise ConfigurationInvalid(f"quirks.{name}", value, f"endpoint {endpoint_name!r}", remedy) from error


def words(listed: str) -> frozenset[str]:
    """The words of a quirk that lists some, with commas between them."""
    return frozenset(word.strip() for word in listed.split(",") if word.strip())
