"""Until when erasing may go by the clock: what is erased is lost, and a clock may jump ahead.

A task is hidden by the clock as it stands, and shown again when the clock is set right; erasing
goes by the earliest of three: this host's clock, the database's, and the time that the clock of
the time since boot, which nobody sets, counts on from the last run. Sounds go by the two of this
host: they are made anew when a clock was wrong, and must go also without the database.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

NAME = "clock.json"
JUMP = timedelta(minutes=1)
# Nobody has set it back for so long: then the new time is the right one.
DOUBTED_FOR_S = 3600.0
log = logging.getLogger("agenda.trusted_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`at` was right when the host had been up for `up_s`; in doubt since it was up `since_s`."""

    at: datetime
    up_s: float
    since_s: float | None = None


def seen_next(last: Seen | None, *, at: datetime, up_s: float) -> Seen:
    """What to go by now. `since_s` is None as long as the clock is believed. Pure."""
    if last is None or up_s < last.up_s:  # the first run, or the first since the machine started
        return Seen(at=at, up_s=up_s)
    expected = last.at + timedelta(seconds=up_s - last.up_s)
    if abs(at - expected) <= JUMP:
        return Seen(at=at, up_s=up_s)
    since_s = up_s if last.since_s is None else last.since_s
    if up_s - since_s >= DOUBTED_FOR_S:
        return Seen(at=at, up_s=up_s)
    return Seen(at=expected, up_s=up_s, since_s=since_s)


def sounds_until(*, at: datetime) -> datetime:
    """Sounds that were due before may be erased. Asks nobody else. `at` is now."""
    up_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    if not settings.ERASED_JOURNAL:
        return at
    path = Path(settings.ERASED_JOURNAL) / NAME
    now = seen_next(_read(path), at=at, up_s=up_s)
    _write(path, now)
    return min(at, now.at)


def rows_until(*, sounds_until: datetime) -> datetime:
    """Rows that were due before may be erased. Asks the database for its time."""
    return min(sounds_until, _database_time())


def doubt(*, at: datetime, until: datetime) -> str:
    """What an operator should know of a clock that says `at` where `until` is gone by, or ""."""
    if at - until <= JUMP:
        return ""
    ahead_s = int((at - until).total_seconds())
    return f"this clock is {ahead_s} s ahead: what is due since {until:%H:%M} UTC is kept"


def _read(path: Path) -> Seen | None:
    try:
        kept = json.loads(path.read_text("utf-8"))
        return Seen(
            at=datetime.fromtimestamp(kept["at"], UTC), up_s=kept["up_s"], since_s=kept["since_s"]
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None  # none yet, or cut short by a power cut


def _write(path: Path, now: Seen) -> None:
    """A full disk keeps nothing from being forgotten: what was written last still holds."""
    text = json.dumps({"at": now.at.timestamp(), "up_s": now.up_s, "since_s": now.since_s})
    new = path.with_name(f"{NAME}.new")
    try:
        new.write_text(text, "utf-8")
        new.replace(path)
    except OSError as error:
        log.error("the time of this run cannot be kept: %s", error.strerror)


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP(6)")
        found: datetime = cursor.fetchone()[0]
    return found.replace(tzinfo=UTC)
