"""Follows a page as a reader would: saves its files, types its commands, and compares what they print.

In a `console` block a line that begins with `$ ` is a command, the lines up to the next one what it prints (standard
output and error together). `...` stands for anything, over lines where it stands alone; run ids are taken for equal;
`RUN` in a command is the run whose id was printed last; `[exit code N]` ends a block whose command is meant to fail.
A `yaml` or `python` block whose first line is a comment with a file's name is that file.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(console|yaml|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"# (\S+\.(?:yaml|py))\n")
_RUN_ID = re.compile(r"\b[0-9a-hjkmnp-tv-z]{16}\b")
_TOLD_RUN = re.compile(r"\brun ([0-9a-hjkmnp-tv-z]{16})\b")
_EXIT = re.compile(r"\[exit code (\d+)\]")


@dataclass(frozen=True)
class Command:
    """One command of a page, what it is said to print, and the code it is said to end with."""

    text: str
    expected: str
    exit_code: int


@dataclass(frozen=True)
class File:
    """A file of a page."""

    name: str
    text: str


def steps_of(page: Path) -> list[Command | File]:
    """What a reader of a page does, in its order."""
    found: list[Command | File] = []
    for kind, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "console":
            found += _commands(block)
        elif named := _NAMED.match(block):
            found.append(File(named[1], block))
    return found


def commands_of(page: Path) -> list[Command]:
    """Every command of a page, in order."""
    return [step for step in steps_of(page) if isinstance(step, Command)]


def files_of(page: Path) -> list[File]:
    """Every file of a page, in order."""
    return [step for step in steps_of(page) if isinstance(step, File)]


def _commands(block: str) -> list[Command]:
    found: list[Command] = []
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        text, _, printed = part.partition("\n")
        code = _EXIT.search(printed)
        found.append(Command(text, _EXIT.sub("", printed).strip("\n"), int(code[1]) if code else 0))
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what the page says."""
    pattern = re.escape(_RUN_ID.sub("RUNID", expected)).replace(r"\.\.\.", "\0")
    # `...` alone on a line stands for any number of lines, none too.
    pattern = re.sub("(?m)^\0(\\\\\n|\n|$)", r"(?:.*\n)*?", pattern).replace("\0", ".*?")
    shown = "\n".join(line.rstrip() for line in _RUN_ID.sub("RUNID", printed).splitlines()) + "\n"
    return re.fullmatch(pattern.rstrip("\n") + r"\n*", shown, re.MULTILINE) is not None


def run_page(page: Path, folder: Path, binaries: Path) -> list[str]:
    """Do what a page says, each command in the place where the one before ended; what differed, in words."""
    problems: list[str] = []
    here, last_run = folder, "RUN"
    environment = {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "COLUMNS": "200",
        "TZ": "UTC",
        "LOGNAME": "reader",
        "LANG": "C.UTF-8",
    }
    for step in steps_of(page):
        if isinstance(step, File):
            (here / step.name).write_text(step.text, encoding="utf-8")
            continue
        typed = re.sub(r"\bRUN\b", last_run, step.text)
        done = subprocess.run(
            ["sh", "-c", f"{typed}\nstatus=$?\npwd > {folder}/.where\nexit $status"],
            cwd=here,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        last_run = [last_run, *_TOLD_RUN.findall(done.stdout)][-1]
        here = Path((folder / ".where").read_text(encoding="utf-8").strip())
        if done.returncode != step.exit_code:
            problems.append(f"$ {step.text}\nended with {done.returncode}, not {step.exit_code}:\n{done.stdout}")
        elif not matches(step.expected, done.stdout):
            problems.append(f"$ {step.text}\nthe page says:\n{step.expected}\nit printed:\n{done.stdout}")
    return problems
