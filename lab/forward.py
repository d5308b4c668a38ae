"""Carry TCP connections between this machine and the lab's network namespace.

A socket belongs to the namespace in which it is made, wherever its process is.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab.namespaces import CLONE_NEWNET, inside

CHUNK: Final = 256 * 1024
CONNECT_TIMEOUT_S: Final = 5.0
Address = tuple[str, int]


def socket_in(namespace: Path) -> socket.socket:
    """Return a TCP socket made in `namespace`. Raises OSError, also when the lab is gone."""
    return inside(namespace, CLONE_NEWNET, socket_here)


def socket_here() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection: an end without an answer would look like an answer that is empty."""
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.transport.abort()


class Forward:
    """Accepts on one side and connects to `target` with a socket from `make_socket`."""

    def __init__(self, make_socket: Callable[[], socket.socket], target: Address) -> None:
        self.make_socket = make_socket
        self.target = target
        self.server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket, address: Address) -> None:
        """Accept on `address`. Raises OSError when it is taken."""
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        self.server = await asyncio.start_server(self._serve, sock=listener, limit=CHUNK)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await self._connect()
        except (OSError, TimeoutError):
            _reset(writer)
            return
        try:
            await asyncio.gather(_pump(reader, far[1]), _pump(far[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            _reset(writer)
        finally:
            for end in (writer, far[1]):
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        near = self.make_socket()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.sock_connect(near, self.target)
            return await asyncio.open_connection(sock=near, limit=CHUNK)
        except BaseException:
            near.close()
            raise
