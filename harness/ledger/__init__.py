"""What was spent, by whom and for what: append-only entries, tasks with outcomes, reports."""
