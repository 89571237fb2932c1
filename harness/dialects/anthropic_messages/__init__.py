"""Anthropic's messages, direct and through Bedrock and Vertex AI."""
