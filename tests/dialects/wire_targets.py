"""Where requests of tests go, and the stamp of what comes back."""

from pydantic import SecretStr

from harness.dialects.dialect import WireTarget
from harness.models.catalogue import Endpoint, Model
from harness.models.messages import Origin


def origin_of(dialect="openai_chat", *, endpoint="there", model="wire", account=None):
    return Origin(dialect=dialect, endpoint=endpoint, model=model, account=account)


def target_of(model=None, endpoint=None, *, base_url="http://127.0.0.1:9/v1", api_key=None, dialect="openai_chat"):
    """A target; without a model and an endpoint those of the simplest server there is."""
    endpoint = endpoint or Endpoint(base_url=base_url, dialect=dialect)
    model = model or Model(endpoint="there", wire_name="wire", context_tokens=100_000)
    key = SecretStr(api_key) if api_key is not None else None
    origin = origin_of(str(endpoint.dialect), endpoint=model.endpoint, model=model.wire_name)
    return WireTarget(model, endpoint, base_url, key, origin)
