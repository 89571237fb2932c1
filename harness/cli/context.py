"""What a command works with: settings, project, output, and the house built from them.

Imported by command modules, never by `main.py`, because it loads the databases.
"""

import asyncio
import shlex
import signal
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import typer

from harness.assembly import Harness
from harness.cli.global_options import GlobalOptions, options_of
from harness.cli.output import Output
from harness.exceptions import ConfigurationInvalid, NameUnknown
from harness.project import PROJECT_FILE, Project, find_project, load_project
from harness.settings import Settings, Surroundings, load_settings

T = TypeVar("T")

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class CommandContext:
    """One command's surroundings; everything is read when it is first asked for.

    Args:
        stream: whether models' answers are heard as they arrive.
    """

    def __init__(self, options: GlobalOptions, *, stream: bool = False) -> None:
        self._options = options
        self._start = Path.cwd()
        self.stream = stream
        self.output = Output(as_json=options.json)

    def look_from(self, folder: Path) -> None:
        """Look for the project from another folder than the working one, where nothing named or found one before."""
        self._start = folder

    @cached_property
    def project(self) -> Project | None:
        """The project at hand: of `--project`, else the nearest harness.yaml upwards; None without one.

        Raises:
            SpecificationInvalid, ConfigurationInvalid: it cannot be used.
        """
        named = self._options.project
        if named is None:
            return find_project(self._start)
        path = named / PROJECT_FILE if named.is_dir() else named
        if not path.is_file():
            raise ConfigurationInvalid("project", str(named), "flag --project", f"there is no {PROJECT_FILE}")
        return load_project(path)

    def required_project(self) -> Project:
        """The project, for a command that is nothing without one.

        Raises:
            NameUnknown: there is none.
        """
        if self.project is None:
            raise NameUnknown(f"{PROJECT_FILE} here or upwards from", str(self._start))
        return self.project

    @cached_property
    def settings(self) -> Settings:
        """The settings in force."""
        said = self._options
        flags = {"person": said.person, "home": said.home, "no_progress": said.no_progress}
        settings = load_settings(flags, self.project, Surroundings.of_this_process())
        said.log_folder = settings.home / "logs"
        return settings

    def command(self, words: str) -> str:
        """A command as it is to be typed here to reach the same project and state."""
        said = self._options
        project = said.project
        if project is None and self.project is not None and not Path.cwd().is_relative_to(self.project.folder):
            project = self.project.folder
        named = {"--project": project, "--home": said.home, "--as": said.person}
        return " ".join(
            ["harness", words, *(f"{flag} {shlex.quote(str(value))}" for flag, value in named.items() if value)]
        )

    def house(self, project: Project | None) -> Harness:
        """The parts that a command works with, for a project; to be closed."""
        return Harness(self.settings, project, stream=self.stream)

    def work(self, body: Callable[[Harness], Coroutine[Any, Any, T]]) -> T:
        """Do something with the house, in one event loop, and close it.

        SIGINT and SIGTERM cancel the body, so that what it has begun is left as it should be; a second one ends the
        process at once.

        Raises:
            KeyboardInterrupt: it was cancelled so.
        """

        async def whole() -> T:
            async with self.house(self.project) as harness:
                return await _until_stopped(body(harness))

        return asyncio.run(whole())


def context_of(ctx: typer.Context, *, stream: bool = False) -> CommandContext:
    """The surroundings of a command."""
    return CommandContext(options_of(ctx), stream=stream)


async def _until_stopped(body: Awaitable[T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(body)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()
        for each in _STOPPING:
            loop.remove_signal_handler(each)

    for each in _STOPPING:
        loop.add_signal_handler(each, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise
    finally:
        for each in _STOPPING:
            loop.remove_signal_handler(each)
