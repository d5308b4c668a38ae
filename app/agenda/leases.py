"""What one process at a time may do, on whichever host: a row, not a lock by name, of which each
node of a cluster has its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import OperationalError, connection

from config.retry import retried

# The database's clock, one for all hosts.
NOW = "UTC_TIMESTAMP(6)"
UNTIL = f"{NOW} + INTERVAL %s SECOND"


class Held:
    """Held by this process. It ends with it, or, when it is killed, `for_s` seconds after it was
    taken or kept.
    """

    def __init__(self, name: str, *, for_s: int) -> None:
        self.name, self.for_s, self.holder = name, for_s, secrets.token_hex(16)
        self._since_s = time.monotonic()

    def keep(self) -> None:
        """For who works long: to be called often, and costs nothing most of the time."""
        if time.monotonic() - self._since_s > self.for_s / 4:
            _extend(self.name, self.holder, self.for_s)
            self._since_s = time.monotonic()


@contextmanager
def leased(name: str, *, for_s: int) -> Iterator[Held | None]:
    """None when somebody else has it: nobody waits."""
    lease = Held(name, for_s=for_s)
    if not _take(name, lease.holder, for_s):
        yield None
        return
    try:
        yield lease
    finally:
        with suppress(OperationalError):  # then it ends by itself
            _give_back(name, lease.holder)


@retried
def _take(name: str, holder: str, for_s: int) -> bool:
    """In autocommit one statement decides between all who come at once, on a cluster too."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT IGNORE INTO lease (name, holder, until) VALUES (%s, %s, {UNTIL})",  # noqa: S608 - constants, here and below
            [name, holder, for_s],
        )
        if cursor.rowcount:
            return True
        cursor.execute(
            f"UPDATE lease SET holder = %s, until = {UNTIL}"  # noqa: S608
            f" WHERE name = %s AND (until <= {NOW} OR holder = %s)",
            [holder, for_s, name, holder],
        )
        return bool(cursor.rowcount)


@retried
def _extend(name: str, holder: str, for_s: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE lease SET until = {UNTIL} WHERE name = %s AND holder = %s",  # noqa: S608
            [for_s, name, holder],
        )


@retried
def _give_back(name: str, holder: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM lease WHERE name = %s AND holder = %s", [name, holder])
