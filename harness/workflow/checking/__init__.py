"""What is known to be wrong with a workflow before it runs."""
