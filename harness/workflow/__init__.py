"""Workflows as data: the specification, its checks, and its compilation to a LangGraph graph."""
