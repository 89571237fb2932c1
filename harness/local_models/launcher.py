"""Servers for local models, started when first needed and ended with this process.

What a server does is `server_process`'s; how it is spoken to is the dialect's.
"""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.dialects.httpx_transport import HttpxTransport
from harness.dialects.wire import WireRequest
from harness.exceptions import ProviderError, Unreachable
from harness.local_models.gguf_files import require_engine, resolve_gguf
from harness.local_models.server_process import READY_PREFIX

START_TIMEOUT_SECONDS = 120.0

# Measured with SmolLM2-135M on two shared cores and two callers: two slots served 64-82 tokens a second, one slot
# 51-53. A second thread cut that to a third (16), because the engine's threads wait for each other by spinning.
PARALLEL = 2
THREADS = 1

_MAX_LOG_BYTES = 1_000_000
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Served:
    """A model, as it is served: what needs a server of its own."""

    gguf: str
    wire_name: str
    context_tokens: int


@dataclass(frozen=True, slots=True)
class _Server:
    process: asyncio.subprocess.Process
    base_url: str


class LocalModelServers:
    """One server a model, on loopback; it belongs to one event loop.

    Args:
        log_folder: where each server's own words go, one file a model.
        parallel: requests that one server answers at a time, each with the model's whole context.
        threads: of one server; its slots share them.
    """

    def __init__(
        self,
        log_folder: Path,
        *,
        parallel: int = PARALLEL,
        threads: int = THREADS,
        start_timeout_seconds: float = START_TIMEOUT_SECONDS,
    ) -> None:
        self._log_folder = log_folder
        self._parallel = parallel
        self._threads = threads
        self._start_timeout_seconds = start_timeout_seconds
        self._servers: dict[_Served, _Server] = {}
        self._starting = asyncio.Lock()

    async def base_url(self, gguf: str, wire_name: str, context_tokens: int) -> str:
        """Where a model is served, for a dialect; starts its server if there is none, or none any more.

        Args:
            gguf: a path, or `package:NAME`.

        Raises:
            ConfigurationInvalid: the file or the engine is not there.
            Unreachable: the server did not start; the message names its log.
        """
        served = _Served(gguf, wire_name, context_tokens)
        async with self._starting:
            running = self._servers.get(served)
            if running is None or running.process.returncode is not None:
                running = self._servers[served] = await self._started(served)
        return running.base_url

    async def close(self) -> None:
        """End all servers; idempotent."""
        servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            await _ended(server.process)

    async def _started(self, served: _Served) -> _Server:
        require_engine()
        path = resolve_gguf(served.gguf)
        log_path = self._log_folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', served.wire_name)}.log"
        with _opened_log(log_path) as log:
            process = await asyncio.create_subprocess_exec(
                *self._command(path, served),
                env=_environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # An interrupt at the terminal is ours to handle: calls in flight may still be answered.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                address = await _announced_address(process)
                await _healthy(address, lambda: process.returncode is None)
        except BaseException as error:
            await _ended(process)
            if isinstance(error, TimeoutError | EOFError):
                raise _did_not_start(served, log_path, str(error) or "it took too long") from error
            raise
        return _Server(process, f"{address}/v1")

    def _command(self, path: Path, served: _Served) -> list[str]:
        options = {
            "gguf": path,
            "wire-name": served.wire_name,
            "context-tokens": served.context_tokens,
            "parallel": self._parallel,
            "threads": self._threads,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        # -P: a file in the working folder must not take the place of a module.
        return [sys.executable, "-P", "-m", "harness.local_models.server_process", *arguments]


def _environment() -> dict[str, str]:
    """Ours, with this package found where it is now, installed or not."""
    source = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}


def _opened_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    too_long = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
    # Appended to, because a second process on the same home writes there too.
    return path.open("wb" if too_long else "ab")


async def _announced_address(process: asyncio.subprocess.Process) -> str:
    """What the server says about where it listens.

    Raises:
        EOFError: it ended without saying so.
    """
    assert process.stdout is not None, "it was opened as a pipe"
    while line := await process.stdout.readline():
        words = line.decode("utf-8", "replace").strip()
        if words.startswith(READY_PREFIX):
            return words.removeprefix(READY_PREFIX).rstrip("/")
    raise EOFError(f"it ended with exit code {await process.wait()}")


async def _healthy(address: str, alive: Callable[[], bool]) -> None:
    """Wait until the server says that it can answer.

    Raises:
        EOFError: it ended meanwhile.
    """
    transport = HttpxTransport("local model")
    try:
        while alive():
            try:
                answer = await transport.send(WireRequest("GET", f"{address}/health", {}, b"", timeout_seconds=5))
                if answer.status == 200:  # noqa: PLR2004 - 503 says that it is still loading
                    return
            except ProviderError:
                pass
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await transport.close()
    raise EOFError("it ended before it was ready")


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End one process of ours, by its own id."""
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _did_not_start(served: _Served, log_path: Path, reason: str) -> Unreachable:
    return Unreachable(served.gguf, f"the server of {served.wire_name!r} did not start: {reason}; its log: {log_path}")
