"""The loopback server of the dialects' tests, a little slower, so that a call can be caught in flight.

As a program: `python -m tests.must_hold.slow_server --port 0 --log FILE --delay SECONDS`; it prints its port, writes
one JSON line a request to FILE as it arrives, and ends when its standard input closes.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.dialects.loopback_server import LoopbackServer


class SlowServer(LoopbackServer):
    def __init__(self, arrivals, delay):
        super().__init__()
        self._arrivals = Path(arrivals)
        self._delay = delay

    async def _answer(self, path, headers, body, writer):
        asked = json.loads(body) if path.endswith("/chat/completions") else None
        with self._arrivals.open("a") as log:
            log.write(json.dumps({"path": path, "body": asked}) + "\n")
        await asyncio.sleep(self._delay)
        if asked is None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        else:
            await super()._answer(path, headers, body, writer)


async def _main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    given = parser.parse_args()
    server = await SlowServer(given.log, given.delay).start(given.port)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(_main())
