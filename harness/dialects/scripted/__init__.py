"""Replies written in a file, for examples, tests and benchmarks."""
