"""A database that is cut off is found out in seconds: the client's own time-outs are for slow
questions, and everybody's request would wait for them.
"""

from __future__ import annotations

import socket
from typing import Any

from django.db.backends.mysql import base

# Unanswered by the other machine itself, not by its database, which may think for longer.
CUT_OFF_AFTER_S = 5
PROBED_EVERY_S = 2


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        with socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as link:
            if link.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) != socket.AF_UNIX:
                limit(link)
        return connection


def limit(link: socket.socket) -> None:
    """Of what was sent and of a silent connection, by the kernel: see tcp(7), TCP_USER_TIMEOUT."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CUT_OFF_AFTER_S * 1000)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBED_EVERY_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBED_EVERY_S)
