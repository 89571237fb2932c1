"""Chat models of LangChain's as if they were a wire."""
