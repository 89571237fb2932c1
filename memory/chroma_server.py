"""A Chroma server for the processes that share a vector folder, which ends when none of them is left.

Run as `python -m memory.chroma_server FOLDER` by `chroma_folder`, which decides when one is needed. Server and supervisor
are one process: it cannot happen that one outlives the other. The starter holds `server.lock` and this process inherits
it, open: that lock says, without a gap, whether a server is starting or running.
"""

# chromadb_rust_bindings ships without types.
# pyright: reportUnknownVariableType=false, reportAttributeAccessIssue=false

import json
import os
import socket
import sys
import threading
import time
import urllib.request
from http import HTTPStatus
from pathlib import Path

from memory.file_locks import FileLock

HOST = "127.0.0.1"
DATA = "chroma"
START_SECONDS = 30.0
CHECK_SECONDS = 1.0


def main(folder: Path) -> None:
    """Serve the folder until nobody uses it; never returns."""
    _leave_the_starter()
    port = _free_port()
    server = threading.Thread(target=_serve, args=(folder, port), daemon=True)
    server.start()
    if not _answers(server, port):
        os._exit(1)
    _announce(folder, port)
    _wait_until_unused(folder, server)
    # Everything the server acknowledged is committed; nothing is lost by leaving at once.
    os._exit(0)


def _leave_the_starter() -> None:
    """Become a process of its own, so that no signal to the starter reaches it and the starter has no child to reap."""
    if os.fork():
        os._exit(0)
    os.setsid()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _serve(folder: Path, port: int) -> None:
    # Imported here: the client side reads constants of this module and must not load the engine.
    from chromadb_rust_bindings import cli

    cli(["chroma", "run", "--path", str(folder / DATA), "--host", HOST, "--port", str(port)])


def _answers(server: threading.Thread, port: int) -> bool:
    """Whether the server came up in time."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while server.is_alive() and time.monotonic() < deadline:
        try:
            with direct.open(f"http://{HOST}:{port}/api/v2/heartbeat", timeout=5) as reply:
                return reply.status == HTTPStatus.OK
        except OSError:
            time.sleep(0.02)
    return False


def _announce(folder: Path, port: int) -> None:
    """Write `server.json` in one step: whoever reads it finds all of it."""
    draft = folder / f"server.json.{os.getpid()}"
    draft.write_text(json.dumps({"host": HOST, "port": port, "pid": os.getpid()}))
    draft.replace(folder / "server.json")


def _wait_until_unused(folder: Path, server: threading.Thread) -> None:
    """Look every second whether anybody holds `users.lock`; under `lock`, so that nobody can come meanwhile."""
    lock, users = FileLock(folder / "lock"), FileLock(folder / "users.lock")
    while server.is_alive():
        time.sleep(CHECK_SECONDS)
        if not folder.exists():
            return
        with lock.holding():
            if users.acquire(wait=False):
                (folder / "server.json").unlink(missing_ok=True)
                # Left without letting go of anything: the locks end with the process, when the server is gone.
                os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
