"""The dialects there are, by their names in the catalogue."""

from collections.abc import Mapping

from harness.dialects.dialect import Dialect, EmbeddingDialect
from harness.dialects.openai_chat import OpenAIChat
from harness.models.catalogue import DialectName

DIALECTS: Mapping[DialectName, Dialect] = {DialectName.OPENAI_CHAT: OpenAIChat()}

EMBEDDING_DIALECTS: Mapping[DialectName, EmbeddingDialect] = {}
