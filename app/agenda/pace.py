"""How fast the purge goes: at full speed while it has the database to itself, else giving way."""

from __future__ import annotations

import time

from django.db import connection

# A chunk takes about 15 ms; what is larger makes a cluster's nodes wait for one another. Beside
# others three times as long belongs to them: a writer then waits hardly longer than without a
# purge, and a minute still erases half a million rows (`make bench-app`).
CHUNK_ROWS = 500
PAUSE_TIMES = 3.0
PAUSE_MAX_S = 0.5


class Pace:
    """Of one purge. A chunk takes at most `rows`; call `rest` after each that was full."""

    def __init__(self) -> None:
        self.rows, self._is_alone = CHUNK_ROWS, False
        self._others: int | None = None
        self._began_s = time.perf_counter()

    def rest(self) -> None:
        """Give way to others, if there are any."""
        if not self._is_alone:
            time.sleep(min(PAUSE_MAX_S, PAUSE_TIMES * (time.perf_counter() - self._began_s)))
        others = questions_of_others()
        self._is_alone = others == self._others
        self._others, self._began_s = others, time.perf_counter()


def questions_of_others() -> int:
    """How many statements the server was ever asked by other connections than this one.

    Source: MariaDB's status variable Questions, which every account may read.
    """
    with connection.cursor() as cursor:
        counts = {}
        for scope in ("SESSION", "GLOBAL"):
            cursor.execute(f"SHOW {scope} STATUS LIKE 'Questions'")
            counts[scope] = int(cursor.fetchone()[1])
    return counts["GLOBAL"] - counts["SESSION"]
