"""MCP's own server, over stdio or HTTP; a client of either generation is answered in its own."""

import os
import socket
import sys
import threading

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from pydantic import BaseModel

server = MCPServer("official", log_level="ERROR")


@server.tool()
def era(context: Context) -> dict[str, str]:
    """Says which protocol this call came by, and under which key."""
    meta = context.request_context.meta or {}
    return {"protocol": context.protocol_version or "", "key": str(meta.get("idempotencyKey"))}


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(structured_output=False)
def picture() -> Image:
    """Shows a picture."""
    return Image(data=b"\x89PNG" + bytes(96), format="png")


@server.tool(structured_output=False)
def big(size: int) -> str:
    """Answers with so many characters."""
    return "x" * size


class Colour(BaseModel):
    """What a person would be asked for."""

    colour: str


@server.tool()
async def asks(context: Context) -> str:
    """Asks the user for a colour."""
    return str(await context.elicit("Which colour?", Colour))


@server.tool()
def fails() -> str:
    """Fails with words."""
    raise ValueError("no such\x1b[31m order\u202e")


def serve_over_http() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    app = server.streamable_http_app(json_response="json" in sys.argv)
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
    threading.Thread(target=leave_when_input_closes, daemon=True).start()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn_server.run(sockets=[listening])


def leave_when_input_closes() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    if "http" in sys.argv:
        serve_over_http()
    else:
        server.run("stdio")
