"""What runs a node, one module a kind, and what nodes are given to run with."""
