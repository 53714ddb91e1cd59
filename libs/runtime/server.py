"""The HTTP server beside other loops of a process: it shares their event loop and leaves signals alone."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEEP_ALIVE = 75
"""Seconds; longer than the idle time of common load balancers, so that those close first."""

LARGEST_HEAD = 64 * 1024
"""Bytes of request line and headers; the parser itself would collect without end."""

SLOWEST_HEAD = 10.0
"""Seconds from the first byte of a request, or from the connection, to the end of its headers."""


class PortTaken(Exception):
    """Another program listens on the port already."""


class _BoundedHead(HttpToolsProtocol):
    """Cuts connections whose request head is too large or comes too slowly; bodies have their own guard."""

    _head = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._timer is not None and self._head > LARGEST_HEAD:
            self.transport.abort()

    def on_message_begin(self) -> None:
        if self._timer is None:
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(SLOWEST_HEAD, self.transport.abort)

    def _end_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Quiet(uvicorn.Server):
    """Signals belong to the process (`Lifecycle`), not to its server, and its clock need not tick ten times a
    second: once is enough for the `date` of the answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.asked_to_stop = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.asked_to_stop.wait()


class HttpServer:
    """Serves an ASGI application on an address; `port` 0 takes a free one.

    Promise: after `stop` no connection is accepted, requests in flight are answered within `drain` seconds,
    and only then `run` returns; what lasts longer is cut.
    """

    def __init__(self, app: Any, host: str, port: int, *, drain: float = 10.0) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._drain = drain
        self._server = _Quiet(
            uvicorn.Config(
                app,
                loop="none",
                http=_BoundedHead,
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=max(1, round(drain)),
            )
        )

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Stop accepting and let `run` come to its end."""
        self._server.should_exit = True
        self._server.asked_to_stop.set()

    @property
    def serving(self) -> bool:
        """Whether connections are answered."""
        return self._server.started and not self._server.should_exit


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortTaken(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    listener.setblocking(False)
    return listener


async def serve(app: Any, host: str, port: int) -> None:
    """Serve until the task is cancelled; for programs of one part (the simulator)."""
    server = HttpServer(app, host, port)
    running = asyncio.ensure_future(server.run())
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.stop()
        await running
        raise
