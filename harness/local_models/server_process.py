# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false
# xllamacpp ships no types.
"""The process that serves one GGUF file over an OpenAI-compatible API on loopback: `python -m` this module.

It has a process of its own so that a crash of the engine is survivable. It prints one line, where it listens, when
the model is loaded, and ends when its standard input closes: then whoever started it is gone, even by kill -9.
"""

import argparse
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

READY_PREFIX = "listening "


def serve(gguf: Path, *, wire_name: str, context_tokens: int, parallel: int, threads: int) -> str:
    """Load the model and serve it; the address, once it listens.

    Args:
        context_tokens: of one request; each of the `parallel` slots gets as many.
        threads: a slot's batch is computed with; more than one is slower on a busy machine.
    """
    # Late: it loads 34 MB of engine, which `--help` and the tests of the rest do without.
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.model_alias = {wire_name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = context_tokens * parallel
    params.n_parallel = parallel
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.warmup = False
    # Nothing but completions: no pages, no web site as a caller, no view of other callers' prompts, no store of them.
    params.ui = False
    params.cors_origins = "http://127.0.0.1"
    params.endpoint_slots = False
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    _kept_alive.append(server)
    return str(server.listening_address)


# The engine stops serving when its object is collected.
_kept_alive: list[object] = []


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input closes; never returns."""
    parser = argparse.ArgumentParser(prog="python -m harness.local_models.server_process", description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--wire-name", required=True)
    parser.add_argument("--context-tokens", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args(arguments)
    # Before loading, so that a parent that dies meanwhile is noticed.
    threading.Thread(target=_leave_when_input_closes, daemon=True).start()
    address = serve(
        given.gguf,
        wire_name=given.wire_name,
        context_tokens=given.context_tokens,
        parallel=given.parallel,
        threads=given.threads,
    )
    sys.stdout.write(f"{READY_PREFIX}{address}\n")
    sys.stdout.flush()
    threading.Event().wait()


def _leave_when_input_closes() -> None:
    while os.read(0, 1024):
        pass
    # Not `sys.exit`: the engine's own threads would keep the process, and its destructors can hang.
    os._exit(0)


if __name__ == "__main__":
    main()
