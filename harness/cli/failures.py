"""What is said when a command ends by an error, and where a fault of ours is written down."""

import os
import sys
import traceback
from pathlib import Path

from harness.cli.exit_codes import ExitCode, exit_code_of, is_expected
from harness.cli.output import error_object, json_line
from harness.workflow.visible_text import visible_text


def explained(error: BaseException, log_folder: Path | None, *, as_json: bool = False) -> ExitCode:
    """Say what went wrong, in the words of the error; a traceback is never for the user's mistake.

    Args:
        log_folder: where a fault of ours is written down; None where the settings are not known.
        as_json: whether programs read stdout; they find the error there as an object on a line of its own.
    """
    if os.environ.get("HARNESS_DEBUG") == "1":
        traceback.print_exception(error)
    code = exit_code_of(error)
    words = _words(error, log_folder)
    sys.stderr.write(f"{visible_text(words)}\n")
    if as_json:
        sys.stdout.write(f"{json_line(error_object(error, words, code))}\n")
    return code


def _words(error: BaseException, log_folder: Path | None) -> str:
    if is_expected(error):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename!r}' if error.filename else ''}"
    return f"a fault of the harness: {type(error).__name__}: {error}\n{_written_down(error, log_folder)}"


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
