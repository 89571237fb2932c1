"""`python -m harness.schemas NAME` prints a published schema; `--write` brings the files up to date."""

import sys

from harness.schemas.published import PUBLISHED, schema_path, schema_text


def main(arguments: list[str]) -> int:
    """Print or write; 2 where the arguments are neither."""
    if arguments == ["--write"]:
        for name in PUBLISHED:
            schema_path(name).write_text(schema_text(name), encoding="utf-8")
        return 0
    if len(arguments) == 1 and arguments[0] in PUBLISHED:
        sys.stdout.write(schema_text(arguments[0]))
        return 0
    sys.stderr.write(f"usage: python -m harness.schemas {'|'.join(PUBLISHED)}|--write\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
