"""An agent: a loop of a model and tools until a final answer, rebuilt from what was recorded."""
