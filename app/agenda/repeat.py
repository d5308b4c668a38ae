"""When a repeating task comes again: the same time on the wall clock, over both clock changes and
the ends of months. Pure.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from agenda.clock import LAST_INSTANT, instant_or_later

SATURDAY = 5
DECEMBER = 12


def next_deadline(
    *, repeat: str, series: datetime, last_at: datetime, at: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first time of the series after `last_at` that is still to come at `at`; None when there
    is none before the calendar's end.

    `series` is the wall clock (naive) that the series hangs on: its time of day, and its weekday or
    its day of the month. The 31st is the last day of a shorter month, and the 31st again after it.
    A time that the clocks skip comes as much later as they skip; one that comes twice comes once.
    """
    last = last_at.astimezone(zone).replace(tzinfo=None)
    begin = max(last.date(), at.astimezone(zone).date())
    for wall in walls_after(last, repeat=repeat, series=series, begin=begin):
        found = instant_or_later(wall, zone=zone)
        if found > at:
            return found if found <= LAST_INSTANT else None
    return None


def walls_after(
    last: datetime, *, repeat: str, series: datetime, begin: date | None = None
) -> Iterator[datetime]:
    """The series' wall clocks after `last` (all naive), from the day `begin` on."""
    for day in _days(repeat, series.date(), begin or last.date()):
        wall = datetime.combine(day, series.time())
        if wall > last:
            yield wall


def is_on_series(day: date, *, repeat: str, series: date) -> bool:
    """Whether the series itself has a time on `day`; one that was kept longer may stand beside."""
    return next(_days(repeat, series, day), None) == day


def _days(repeat: str, series: date, begin: date) -> Iterator[date]:
    """The days of the series from `begin` on, up to the calendar's end."""
    last = LAST_INSTANT.date()
    if repeat == "monthly":
        yield from (day for day in _monthly(series.day, begin) if begin <= day)
        return
    while begin <= last:
        if repeat == "daily" or _is_day_of(repeat, series, begin):
            yield begin
        begin += timedelta(days=1)


def _is_day_of(repeat: str, series: date, day: date) -> bool:
    if repeat == "weekdays":
        return day.weekday() < SATURDAY
    return day.weekday() == series.weekday()


def _monthly(day: int, begin: date) -> Iterator[date]:
    for months in count():
        year, month = divmod(begin.year * DECEMBER + begin.month - 1 + months, DECEMBER)
        if year > LAST_INSTANT.year:
            return
        yield date(year, month + 1, min(day, monthrange(year, month + 1)[1]))
