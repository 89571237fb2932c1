"""What is said on stderr when a command ends by an error, and where a fault of ours is written down."""

import os
import sys
import traceback
from pathlib import Path

from harness.cli.exit_codes import ExitCode, exit_code_of, is_expected
from harness.workflow.visible_text import visible_text


def explained(error: BaseException, log_folder: Path | None) -> ExitCode:
    """Say what went wrong, in the words of the error; a traceback is never for the user's mistake.

    Args:
        log_folder: where a fault of ours is written down; None where the settings are not known.
    """
    if os.environ.get("HARNESS_DEBUG") == "1":
        traceback.print_exception(error)
    if is_expected(error):
        _complain(str(error))
    elif isinstance(error, KeyboardInterrupt):
        _complain("interrupted")
    elif isinstance(error, OSError):
        _complain(f"{error.strerror or error}{f': {error.filename!r}' if error.filename else ''}")
    else:
        _complain(f"a fault of the harness: {type(error).__name__}: {error}\n{_written_down(error, log_folder)}")
    return exit_code_of(error)


def _complain(text: str) -> None:
    sys.stderr.write(f"{visible_text(text)}\n")


def _written_down(error: BaseException, folder: Path | None) -> str:
    """Keep the traceback for whoever mends it; returns where it is."""
    hint = "HARNESS_DEBUG=1 shows where"
    if folder is None:
        return hint
    path = folder / "faults.log"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.writelines(traceback.format_exception(error))
    except OSError:
        return hint
    return f"it is written down in {path}; {hint}"
