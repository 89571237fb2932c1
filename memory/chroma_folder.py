"""Who may touch a Chroma folder: one process by itself, or all through one server.

Two processes with Chroma's engine on one folder corrupt it in silence. So each operation runs under `lock`, and before
it is settled how:

    server.lock held?            a server runs (or starts): use it, and never again an engine opened before it
    embedded.lock free or ours?  nobody else has the engine: use ours
    otherwise                    start a server (`chroma_server`), which the engine's owner finds at its next operation

Files of the folder: `lock` (held for each operation), `embedded.lock` (for the life of an engine), `server.lock` (for
the life of a server), `users.lock` (shared by those that use the server), `server.json` (its address), `generation`
(how many servers there were: an engine opened before the last is stale), `chroma/` (what Chroma stores).
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from memory.chroma_connections import INDEX, ChromaConnection, EmbeddedChroma, ServedChroma
from memory.chroma_server import DATA, START_SECONDS
from memory.exceptions import VectorIndexUnavailable
from memory.file_locks import FileLock


class ChromaFolder:
    """A folder that this process shares with others. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process = os.getpid()
        self._threads = threading.Lock()
        self._lock = FileLock(self._folder / "lock")
        self._embedded_lock = FileLock(self._folder / "embedded.lock")
        self._users_lock = FileLock(self._folder / "users.lock")
        self._embedded: tuple[EmbeddedChroma, int] | None = None
        self._served: ServedChroma | None = None

    @contextmanager
    def connection(self) -> Generator[ChromaConnection]:
        """Chroma, for one batch of operations; nobody else touches the folder meanwhile.

        Raises:
            VectorIndexUnavailable: no server could be started, or this process is a fork of the one that opened it.
        """
        if os.getpid() != self._process:
            # A fork shares the locks of its parent, so that both would believe to hold them.
            raise VectorIndexUnavailable(INDEX, "it was opened before a fork; open the memory in the child")
        with self._threads, self._lock.holding():
            yield self._connect()

    def close(self) -> None:
        """Let go of everything; a server ends when its last user did."""
        if os.getpid() != self._process:
            return
        with self._threads, self._lock.holding():
            self._close_embedded()
            self._close_served()

    @property
    def served(self) -> bool:
        """Whether the last operation went through a server."""
        return self._served is not None

    def _connect(self) -> ChromaConnection:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not FileLock(self._folder / "server.lock").is_free():
                self._close_embedded()
                address = self._announced(deadline)
                if address is not None:
                    return self._use_server(address)
                continue  # it ended while it started or was about to end: look again
            self._close_served()
            (self._folder / "server.json").unlink(missing_ok=True)
            if (embedded := self._own_engine()) is not None:
                return embedded
            self._start_server()
        raise VectorIndexUnavailable(INDEX, f"no server for {str(self._folder)!r} came up; see its server.log")

    def _own_engine(self) -> ChromaConnection | None:
        """This process's engine, opened anew when a server was there since; None when another process has one."""
        generation = self._generation()
        if self._embedded is not None:
            engine, opened_in = self._embedded
            if opened_in == generation:
                return engine
            self._close_embedded()
        if not self._embedded_lock.acquire(wait=False):
            return None
        try:
            self._embedded = EmbeddedChroma(self._folder / DATA), generation
        except BaseException:
            self._embedded_lock.release()
            raise
        return self._embedded[0]

    def _use_server(self, address: str) -> ChromaConnection:
        if self._served is None or self._served.address != address:
            self._close_served()
            self._served = ServedChroma(address)
        if not self._users_lock.held:
            # The server tries this lock only under `lock`, which we hold: it cannot have decided to end.
            self._users_lock.acquire(shared=True)
        return self._served

    def _start_server(self) -> None:
        """Start a server that inherits `server.lock`; from here on it is its life."""
        draft = self._folder / "generation.new"
        draft.write_text(str(self._generation() + 1))
        draft.replace(self._folder / "generation")
        (self._folder / DATA).mkdir(exist_ok=True)
        server_lock = FileLock(self._folder / "server.lock")
        server_lock.acquire()
        try:
            with (self._folder / "server.log").open("wb") as log:
                # -P: a file named memory.py in the working folder is not to be run.
                command = [sys.executable, "-P", "-m", "memory.chroma_server", str(self._folder)]
                subprocess.run(  # noqa: S603 - our own interpreter on our own module
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    pass_fds=[server_lock.descriptor],
                    check=True,
                )
        except (OSError, subprocess.CalledProcessError) as error:
            raise VectorIndexUnavailable(INDEX, f"its server cannot be started: {error}") from error
        finally:
            server_lock.release()

    def _announced(self, deadline: float) -> str | None:
        """The address of the server that holds `server.lock`; None when it ended."""
        while time.monotonic() < deadline:
            try:
                said = json.loads((self._folder / "server.json").read_text())
                return f"http://{said['host']}:{said['port']}"
            except FileNotFoundError:
                if FileLock(self._folder / "server.lock").is_free():
                    return None
            time.sleep(0.01)
        return None

    def _generation(self) -> int:
        try:
            return int((self._folder / "generation").read_text())
        except FileNotFoundError:
            return 0

    def _close_embedded(self) -> None:
        if self._embedded is not None:
            self._embedded[0].close()
            self._embedded = None
            self._embedded_lock.release()

    def _close_served(self) -> None:
        if self._served is not None:
            self._served.close()
            self._served = None
        self._users_lock.release()


def _environment() -> dict[str, str]:
    """The process's own, so that the server finds this package wherever it was imported from."""
    here = str(Path(__file__).parents[1])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
