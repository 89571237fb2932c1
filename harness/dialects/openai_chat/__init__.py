"""OpenAI's chat completions, spoken by most servers there are."""
