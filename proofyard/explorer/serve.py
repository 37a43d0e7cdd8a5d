"""Serve the explorer alone, on this machine."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

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
    app = create_app(explorer)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, access_log=False, lifespan="on")
    _Server(config, app, ready).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it is there, and ends the event streams before it waits for answers under way."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.close()
        await super().shutdown(sockets)
