"""The wire: what each of its faults does to somebody who only echoes."""

import asyncio
import time

import pytest

from faults.proxy import BOTH, Proxy, Wire, to_port, to_socket


@pytest.fixture
async def echo():
    async def serve(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo):
    proxy = Proxy(to_port(lambda: echo))
    await proxy.start()
    yield proxy
    await proxy.down()


async def opened(proxy):
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def said(connection, data=b"hello"):
    reader, writer = connection
    writer.write(data)
    await writer.drain()
    return await asyncio.wait_for(reader.readexactly(len(data)), 5)


async def test_a_good_wire_carries_everything_both_ways(proxy):
    connection = await opened(proxy)
    data = bytes(range(256)) * 4_000
    assert await said(connection, data) == data
    assert proxy.connections == 1


async def test_an_orderly_end_reaches_the_other_side(proxy):
    reader, writer = await opened(proxy)
    writer.write(b"last words")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"last words"


async def test_latency_counts_both_ways(proxy):
    connection = await opened(proxy)
    proxy.wire = Wire(latency=0.1)
    begun = time.monotonic()
    await said(connection)
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("directions", [BOTH, frozenset({"up"}), frozenset({"down"})])
async def test_silence_tells_nobody_and_passes(proxy, directions):
    reader, writer = connection = await opened(proxy)
    await said(connection)
    proxy.wire = Wire(silent=directions)
    writer.write(b"into the dark")
    await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.3)
    assert not writer.is_closing()
    proxy.wire = Wire()
    assert await asyncio.wait_for(reader.readexactly(13), 5) == b"into the dark"


async def test_a_lost_connection_carries_nothing_and_tells_nobody(proxy):
    reader, writer = old = await opened(proxy)
    await said(old)
    proxy.lose()
    writer.write(b"into the dark")
    await writer.drain()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.3)
    assert not writer.is_closing()
    assert await said(await opened(proxy)) == b"hello"


async def test_a_reset_is_no_orderly_end(proxy):
    reader, _ = connection = await opened(proxy)
    await said(connection)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readexactly(1), 5)


async def test_a_cut_lets_just_so_many_bytes_through(proxy):
    proxy.wire = Wire(cut_after=8)
    reader, writer = await opened(proxy)
    writer.write(b"0123456789")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(10), 5)


async def test_a_wire_that_is_down_refuses_and_comes_back_at_the_same_place(proxy):
    port = proxy.port
    await proxy.down()
    with pytest.raises(ConnectionRefusedError):
        await opened(proxy)
    await proxy.heal()
    assert proxy.port == port
    assert await said(await opened(proxy)) == b"hello"


async def test_nobody_behind_the_proxy_is_a_reset():
    proxy = Proxy(to_port(lambda: 1))
    await proxy.start()
    try:
        reader, _ = await opened(proxy)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
    finally:
        await proxy.down()


async def test_a_unix_socket_may_stand_behind_it(tmp_path):
    async def serve(reader, writer):
        writer.write(await reader.readexactly(5))
        await writer.drain()

    path = str(tmp_path / "socket")
    server = await asyncio.start_unix_server(serve, path)
    proxy = Proxy(to_socket(path))
    await proxy.start()
    try:
        assert await said(await opened(proxy)) == b"hello"
    finally:
        await proxy.down()
        server.close()
