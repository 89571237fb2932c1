"""Files that are there whole or not at all, in one folder beside where the run was started."""

import os
from pathlib import Path

FOLDER = "research-brief"


def write_whole(path: Path, text: str) -> None:
    """Put a file in place in one step, over whatever was there; a link is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
