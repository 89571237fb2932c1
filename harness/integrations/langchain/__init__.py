"""LangChain, both ways: roles of the house as its chat models and embeddings, its chat models as targets of ours.

Imports langchain-core, so it is imported only where somebody asks for it.
"""

from harness.integrations.langchain.chat_model import HarnessChatModel
from harness.integrations.langchain.embeddings import HarnessEmbeddings

__all__ = ["HarnessChatModel", "HarnessEmbeddings"]
