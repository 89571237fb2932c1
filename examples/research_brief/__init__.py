"""The research brief: what documents say about a topic, each claim with a quote that stands in its source."""
