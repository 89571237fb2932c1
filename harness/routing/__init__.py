"""Which model fills a role now, and why."""
