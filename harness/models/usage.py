"""Tokens a call used, as OpenTelemetry `gen_ai` counts them. Prices are elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    `input_tokens` includes `cache_read_tokens` and `cache_write_tokens`; `output_tokens` includes
    `reasoning_tokens`; `cache_write_tokens` includes `cache_write_1h_tokens`. A dialect whose provider counts
    otherwise converts. None means that the provider did not say, and is never taken for zero.

    Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def known(self) -> bool:
        """Whether the provider reported both sides, and parts that are no larger than their whole.

        A report that contradicts itself is as good as none: it can neither be priced nor be believed.
        """
        if self.input_tokens is None or self.output_tokens is None:
            return False
        cached = (self.cache_read_tokens or 0) + (self.cache_write_tokens or 0)
        return cached <= self.input_tokens and (self.reasoning_tokens or 0) <= self.output_tokens

    @property
    def total_tokens(self) -> int:
        """Input and output together; an unknown side counts nothing here, so ask `known` first."""
        return (self.input_tokens or 0) + (self.output_tokens or 0)
