"""A real HTTP service on loopback, and tools as a project registers them."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.project import load_project
from harness.tools.bounded_call import bounded_call
from harness.tools.tool import ToolCall


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path, and notes what came."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _any(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        kind = self.path.split("?")[0].split("/")[1]
        getattr(self, f"_{kind.replace('-', '_')}", self._echo)()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server's names

    def _say(self, status=200, body=b"", kind="application/json", **headers):
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _echo(self):
        self._say(body=json.dumps({"path": self.path, "method": self.command}).encode(), **{"set-cookie": "who=ada"})

    def _text(self):
        self._say(body="grün".encode("latin-1"), kind="text/plain; charset=latin-1")

    def _binary(self):
        self._say(body=b"\x89PNG\xff", kind="image/png")

    def _empty(self):
        self._say(204)

    def _nan(self):
        self._say(body=b'{"n": NaN}')

    def _half(self):
        self._say(body=b'{"text": "half \\ud800 a pair"}')

    def _deep(self):
        self._say(body=b"[" * 100_000)

    def _status(self):
        self._say(int(self.path.split("/")[2]), b'{"error": "told by the service"}')

    def _tells(self):
        """The header that authorised the request, as some services repeat it in an error."""
        self._say(400, f"not allowed: {self.headers.get('authorization')}".encode(), "text/plain")

    def _to(self):
        self._say(302, location=self.server.location)

    def _round(self):
        self._say(302, location=self.path)

    def _huge(self):
        """10 MB, sent as long as somebody listens."""
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(10_000_000))
        self.end_headers()
        self.server.sent = 0
        try:
            for _ in range(100):
                self.wfile.write(b"x" * 100_000)
                self.server.sent += 100_000
        except OSError:
            pass
        self.close_connection = True

    def _hang(self):
        self.server.let_go.wait(30)
        self.close_connection = True

    def _cut(self):
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.sent = 0
        self.location = ""
        self.let_go = threading.Event()

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self):
        return f"http://{self.host}"


@pytest.fixture
def service():
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()


def call_of(arguments, key="run/send/tool", context=None):
    return ToolCall(arguments, key, organisation="acme", person="ada", run_id="run", context=context)


class ToolProject:
    """A folder with a harness.yaml; each use of its tools has an event loop of its own."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, text, **modules):
        (self.folder / "harness.yaml").write_text(text)
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(source)
        return self

    def toolbox(self, mcp=None, **environment):
        return load_project(self.folder / "harness.yaml").toolbox(environment=environment, mcp=mcp)

    def call(self, tool_name, arguments=None, *, key="run/send/tool", context=None, mcp=None, **environment):
        """What one call gives, within the tool's bounds."""

        async def whole():
            toolbox = self.toolbox(mcp, **environment)
            try:
                result, _ = await bounded_call(await toolbox.tool(tool_name), call_of(arguments or {}, key, context))
            finally:
                await toolbox.close()
            return result

        return asyncio.run(whole())

    def spec(self, tool_name, **environment):
        async def whole():
            return (await self.toolbox(**environment).tool(tool_name)).spec

        return asyncio.run(whole())


@pytest.fixture
def project(tmp_path):
    return ToolProject(tmp_path)
