"""The dialects there are, by their names in the catalogue."""

from collections.abc import Mapping

from harness.dialects.anthropic_messages.dialect import AnthropicMessages
from harness.dialects.bedrock_converse.dialect import BedrockConverse
from harness.dialects.bedrock_converse.embeddings import BedrockEmbeddings
from harness.dialects.dialect import Dialect, EmbeddingDialect
from harness.dialects.gemini.dialect import Gemini
from harness.dialects.gemini.embeddings import GeminiEmbeddings
from harness.dialects.langchain.dialect import LangChainChat
from harness.dialects.openai_chat.dialect import OpenAIChat
from harness.dialects.openai_chat.embeddings import OpenAIEmbeddings
from harness.dialects.openai_responses.dialect import OpenAIResponses
from harness.models.catalogue import DialectName

DIALECTS: Mapping[DialectName, Dialect] = {
    DialectName.OPENAI_CHAT: OpenAIChat(),
    DialectName.OPENAI_RESPONSES: OpenAIResponses(),
    DialectName.ANTHROPIC_MESSAGES: AnthropicMessages(),
    DialectName.GEMINI: Gemini(),
    DialectName.BEDROCK_CONVERSE: BedrockConverse(),
    DialectName.LANGCHAIN: LangChainChat(),
}

# OpenAI's two wires embed in one way; Anthropic has none.
EMBEDDING_DIALECTS: Mapping[DialectName, EmbeddingDialect] = {
    DialectName.OPENAI_CHAT: OpenAIEmbeddings(),
    DialectName.OPENAI_RESPONSES: OpenAIEmbeddings(),
    DialectName.GEMINI: GeminiEmbeddings(),
    DialectName.BEDROCK_CONVERSE: BedrockEmbeddings(),
}
