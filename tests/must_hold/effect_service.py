"""A service whose effects are not idempotent: it counts each delivery, and can kill who delivers while it holds one.

As a program: `python -m tests.must_hold.effect_service --log FILE`; it prints its port and ends when its standard input
closes. `POST /effects/NAME/SUBJECT` is one effect. Each that is counted is a JSON line of FILE, written and
closed before anything goes on. The header `x-caller` names who delivers: `{"pid", "process", "kill": MOMENT}`. At
`held PLACE` the caller dies before its effect is counted, and it never is; at `counted PLACE` it dies after that and
before it is answered. PLACE is the idempotency key without its run.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path


class EffectService:
    def __init__(self, log):
        self._log = Path(log)

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            answer = self._taken(*await _request(reader))
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # who called is dead
        finally:
            writer.close()

    def _taken(self, path, headers):
        key, caller = headers.get("idempotency-key", ""), json.loads(headers["x-caller"])
        run, _, place = key.partition("/")
        if _killed(caller, f"held {place}"):
            return b""
        effect = path.removeprefix("/effects/")
        delivery = {"run": run, "place": place, "key": key, "effect": effect, "process": caller["process"]}
        with self._log.open("a") as log:
            log.write(json.dumps(delivery) + "\n")
        if _killed(caller, f"counted {place}"):
            return b""
        # The same each time, so that a run whose effects were repeated ends as one that was not disturbed.
        content = json.dumps({"effect": effect, "taken": True}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        return f"{head}connection: close\r\n\r\n".encode() + content


async def _request(reader):
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # A request whose body never comes whole is none.
    await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split()[1], headers


def _killed(caller, moment):
    if caller["kill"] != moment:
        return False
    os.kill(caller["pid"], signal.SIGKILL)
    return True


async def _main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    service = EffectService(parser.parse_args().log)
    sys.stdout.write(f"{await service.start()}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(_main())
