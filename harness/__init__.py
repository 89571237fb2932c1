"""The harness between business workflows and the model zoo."""
