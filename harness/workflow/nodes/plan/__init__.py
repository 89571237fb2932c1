"""A plan: a request in words becomes steps, checked as a graph, and run."""
