"""Writing the bindings in force back to the file that people keep."""

import os
import tempfile
from pathlib import Path

from harness.cli.context import CommandContext
from harness.routing.binding_store import BindingVersion
from harness.routing.bindings_text import BindingsText, bindings_put_into, bindings_text

_STDOUT = Path("-")


def export_bindings(context: CommandContext, file: str | None) -> None:
    """Write the bindings in force to a file: `-` is stdout, None the project's own, else stdout."""
    own = context.project.bindings_path if context.project else None
    path = Path(file) if file else own or _STDOUT
    current = context.work(lambda harness: harness.binding_version())
    if path == _STDOUT:
        text = bindings_text(current.bindings)
        shown = {"file": None, "version": current.version, "text": text}
        context.output.record(shown, text.rstrip("\n"))
        return
    target = path.resolve()
    existing = target.read_text(encoding="utf-8-sig") if target.is_file() else ""
    written = bindings_put_into(existing, current.bindings, name=str(path))
    changed = written.text != existing
    if changed:
        _write_whole(target, written.text)
    _say_exported(context, path, current, written, changed=changed)


def _say_exported(
    context: CommandContext, path: Path, current: BindingVersion, written: BindingsText, *, changed: bool
) -> None:
    found = {
        "file": path,
        "version": current.version,
        "changed": changed,
        "kept_comments": written.kept_comments,
        "only_in_file": written.only_in_file,
    }
    if context.output.as_json:
        context.output.event(found)
    what = f"version {current.version} is written to {path}" if changed else f"{path} says version {current.version}"
    context.output.say(what)
    if not written.kept_comments:
        context.output.say("comments within entries that were written anew, or around them, are gone", style="yellow")
    if written.only_in_file:
        context.output.say(f"kept, though not in force: {', '.join(written.only_in_file)}; `harness apply` adds them")


def _write_whole(path: Path, text: str) -> None:
    """Put a text in a file's place: it is there whole or as it was."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
