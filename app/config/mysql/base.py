"""A database that is cut off is found out in seconds: the client's own time-outs are for slow
questions, and everybody's request would wait for them. One that is restarted is waited for. And
rows can be read as they come.
"""

from __future__ import annotations

import socket
import time
from typing import Any

from django.db import OperationalError
from django.db.backends.mysql import base
from MySQLdb.cursors import SSCursor

# Unanswered by the other machine itself, not by its database, which may think for longer.
CUT_OFF_AFTER_S = 5
PROBED_EVERY_S = 2
# How long after the first refusal requests wait; then each is told at once, until one is let in.
WAITS_S = 5.0
TRIES_EVERY_S = 0.1
# What took longer than this was no refusal: nobody was there to refuse.
REFUSED_WITHIN_S = 1.0
# Nobody listens (by socket or network), it stops while it greets, it says that it stops.
RESTARTING = {2002, 2003, 2013, 1053}
STREAMING = "streaming"


class DatabaseWrapper(base.DatabaseWrapper):
    # Of this process: since when it is refused.
    away_since: float | None = None

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = self._let_in(conn_params)
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as link:
            if link.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) != socket.AF_UNIX:
                limit(link)
        return connection

    def streaming_cursor(self) -> Any:
        """Rows as they come; the usual cursor has them all before it hands out the first.

        Until it is closed nothing else can be asked, and the database waits for who reads slowly.
        """
        return self._cursor(STREAMING)  # type: ignore[attr-defined] # what Django calls itself

    def create_cursor(self, name: Any = None) -> Any:
        if name == STREAMING:
            return base.CursorWrapper(self.connection.cursor(SSCursor))
        return super().create_cursor(name)

    def _let_in(self, conn_params: Any) -> Any:
        while True:
            begun = time.monotonic()
            try:
                with self.wrap_database_errors:
                    connection = super().get_new_connection(conn_params)
            except OperationalError as error:
                now = time.monotonic()
                if error.args[0] not in RESTARTING or now - begun > REFUSED_WITHIN_S:
                    raise
                if DatabaseWrapper.away_since is None:
                    DatabaseWrapper.away_since = begun
                if now - DatabaseWrapper.away_since >= WAITS_S:
                    raise
                time.sleep(TRIES_EVERY_S)
            else:
                DatabaseWrapper.away_since = None
                return connection


def limit(link: socket.socket) -> None:
    """Of what was sent and of a silent connection, by the kernel: see tcp(7), TCP_USER_TIMEOUT."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CUT_OFF_AFTER_S * 1000)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_EVERY_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_EVERY_S)
