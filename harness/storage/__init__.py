"""The harness's own tables and the SQL behind its ports."""
