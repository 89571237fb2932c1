"""A server of the protocol 2025-11-25 over HTTP, by hand, with sessions. It prints its port, and ends with its stdin.

Arguments: the port, where it has to be a certain one.
"""

import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SESSIONS: set[str] = set()
ENDED: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        message = json.loads(body)
        if os.environ.get("SHOP_TOKEN") and self.headers.get("authorization") != f"Bearer {os.environ['SHOP_TOKEN']}":
            self.end(401, b"")
            return
        method = message.get("method")
        if method == "initialize":
            session = uuid.uuid4().hex
            SESSIONS.add(session)
            versions = {"protocolVersion": "2025-11-25", "serverInfo": {"name": "old", "version": "1"}}
            self.answer(message, {**versions, "capabilities": {"tools": {}}}, session=session)
        elif method == "server/discover":
            self.end(400, b"what?")
        elif self.headers.get("mcp-session-id") not in SESSIONS:
            self.end(404, b"")
        elif method == "tools/list":
            listed = [{"name": "echo", "description": "Says it again.", "inputSchema": TEXT}]
            self.answer(message, {"tools": listed})
        elif method == "tools/call":
            self.call(message)
        else:
            self.end(202, b"")

    def call(self, message):
        words = message["params"]["arguments"]["text"]
        if words == "forget":
            SESSIONS.clear()
        known = {"encoding": self.headers.get("accept-encoding"), "ended": str(len(ENDED))}
        if words == "fail":
            self.end(500, b"oops")
        elif words == "hang":
            time.sleep(30)
        elif words == "drop":
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"jsonrpc"')
            self.close_connection = True
        elif words == "packed":
            self.end(200, b"\x1f\x8b", ("content-type", "application/json"), ("content-encoding", "gzip"))
        elif words == "big":
            self.answer(message, {"content": [{"type": "text", "text": "x" * 10_000_000}]})
        elif words == "big chunks":
            self.chunked(message, "application/json", b"", b"")
        elif words == "big events":
            self.chunked(message, "text/event-stream", b"event: message\ndata: ", b"\n\n")
        else:
            self.answer(message, {"content": [{"type": "text", "text": known.get(words, words)}]})

    def chunked(self, message, kind, before, after):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        said = {
            "jsonrpc": "2.0",
            "id": message["id"],
            "result": {"content": [{"type": "text", "text": "x" * 10_000_000}]},
        }
        body = before + json.dumps(said).encode() + after
        for begins in range(0, len(body), 100_000):
            piece = body[begins : begins + 100_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, message, result, session=None):
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        more = [("mcp-session-id", session)] if session else []
        self.end(200, body, ("content-type", "application/json"), *more)

    def do_GET(self):
        self.end(405, b"")

    def do_DELETE(self):
        ENDED.append(self.headers.get("mcp-session-id") or "")
        SESSIONS.discard(self.headers.get("mcp-session-id") or "")
        self.end(200, b"")

    def end(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def leave_when_input_closes():
    while os.read(0, 1024):
        pass
    os._exit(0)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
threading.Thread(target=leave_when_input_closes, daemon=True).start()
sys.stdout.write(f"{server.server_address[1]}\n")
sys.stdout.flush()
server.serve_forever()
