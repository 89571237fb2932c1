"""Models as facts: what they are called, can do and cost, and the neutral messages they exchange."""
