"""Serve the explorer alone, on this machine."""

import socket
from collections.abc import Callable

import uvicorn

from proofyard.core.errors import BadInput
from proofyard.explorer.app import Explorer, create_app

HOST = "127.0.0.1"


def bound(port: int, host: str = HOST) -> socket.socket:
    """Take a port, 0 for any. Raises BadInput if it is taken."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise BadInput("--port", "a free port", f"{port} ({error.strerror})") from None


def serve(explorer: Explorer, listening: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until Ctrl-C; `ready` is called once pages can be had."""
    config = uvicorn.Config(
        create_app(explorer), log_level="warning", timeout_graceful_shutdown=1, access_log=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    started = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await started(sockets)
        ready()

    server.startup = startup
    server.run(sockets=[listening])
