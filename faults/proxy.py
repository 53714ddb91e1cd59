"""A TCP proxy between two parts, with everything that goes wrong on a wire.

Latency, bandwidth, silence without a reset, resets, cuts after so many bytes, one direction or both; the list
is toxiproxy's. A proxy lives in the event loop that made it.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["up", "down"]
"""`up`: from the one who connected to the one behind the proxy."""
BOTH: frozenset[Direction] = frozenset(("up", "down"))

Connect = Callable[[], Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

CHUNK = 65_536
LOOK_EVERY = 0.05
"""Seconds between two looks of a connection that is held back."""


@dataclass
class Wire:
    """What the wire is like now; a fresh one is a good one. Seconds, bytes, bytes a second."""

    latency: float = 0.0
    jitter: float = 0.0
    rate: float | None = None
    silent: frozenset[Direction] = frozenset()
    """Directions in which nothing arrives any more, and nobody is told: packets dropped, no reset."""
    cut_after: int | None = None
    """A connection is reset when so many bytes went up on it."""


@dataclass
class Proxy:
    """One port in front of one part. `wire` may be replaced at any time and counts for all connections."""

    connect: Connect
    wire: Wire = field(default_factory=Wire)
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _age: int = 0

    async def start(self) -> None:
        """Listen; on the same port again after `down`."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Nobody listens, and whoever was connected is reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    async def heal(self) -> None:
        """A good wire, and somebody who listens."""
        self.wire = Wire()
        if self._server is None:
            await self.start()

    def reset(self) -> None:
        """Reset every connection that is open."""
        for writer in list(self._open):
            _reset(writer)

    def lose(self) -> None:
        """Every connection that is open stays open and carries nothing any more; new ones are good."""
        self._age += 1

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind = await self.connect()
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, behind}
        try:
            await asyncio.gather(
                self._pump("up", reader, behind, writer), self._pump("down", behind_reader, writer, behind)
            )
        finally:
            self._open -= {writer, behind}
            for side in (writer, behind):
                side.close()

    async def _pump(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
    ) -> None:
        passed, age = 0, self._age
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                while direction in self.wire.silent or age < self._age:
                    await asyncio.sleep(LOOK_EVERY)
                    if writer.is_closing() or reader.at_eof():
                        return
                wire = self.wire
                if wire.latency or wire.jitter:
                    await asyncio.sleep(max(0.0, wire.latency + random.uniform(-1, 1) * wire.jitter))
                if wire.rate:
                    await asyncio.sleep(len(data) / wire.rate)
                passed += len(data)
                if direction == "up" and wire.cut_after is not None and passed >= wire.cut_after:
                    writer.write(data[: len(data) - (passed - wire.cut_after)])
                    await writer.drain()
                    _reset(writer)
                    _reset(other)
                    return
                writer.write(data)
                await writer.drain()
        if not writer.is_closing():
            with suppress(OSError, RuntimeError):
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset instead of an orderly end."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def to_port(port: Callable[[], int]) -> Connect:
    """Behind the proxy is a port of this machine, asked for anew for each connection."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port())

    return connect


def to_socket(path: str) -> Connect:
    """Behind the proxy is a Unix socket."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(path)

    return connect
