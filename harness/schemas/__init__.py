"""The JSON Schemas of what people write, for editors: `workflow.schema.json` and `harness.schema.json`.

Generated from the models that the files are validated into: `python -m harness.schemas --write` after a change there.
An editor finds one by a first line `# yaml-language-server: $schema=...`.
"""
