"""Carrying connections: bytes both ways, an end on either side, and nobody at the other."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from lab.forward import Forward, socket_here, socket_in
from tests.lab.labs import free_port


def run(work):
    return asyncio.run(asyncio.wait_for(work, 10))


async def forward_to(port: int) -> int:
    """Start a forward to a loopback port; return its own."""
    own = free_port()
    await Forward(socket_here, ("127.0.0.1", port)).listen(socket_here(), ("127.0.0.1", own))
    return own


def test_bytes_go_both_ways_and_an_end_is_passed_on():
    async def work():
        async def upper(reader, writer):
            writer.write((await reader.read()).upper())
            writer.close()

        far = await asyncio.start_server(upper, "127.0.0.1", 0)
        port = await forward_to(far.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 1_000_000)
        writer.write_eof()
        return await reader.read()

    assert run(work()) == b"X" * 1_000_000


def test_a_connection_to_nobody_is_broken_at_once():
    async def work():
        port = await forward_to(free_port())
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()

    with pytest.raises(ConnectionResetError):
        run(work())


def test_a_namespace_that_is_gone_is_an_error():
    with pytest.raises(FileNotFoundError):
        socket_in(Path("/run/netns/ctlv-no-such-lab"))


def test_a_port_that_is_taken_is_an_error():
    async def work():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = taken.getsockname()
            await Forward(socket_here, address).listen(socket_here(), address)

    with pytest.raises(OSError, match="in use"):
        run(work())
