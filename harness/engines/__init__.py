"""What runs a compiled workflow and survives the process that does."""
