"""When a repeating task comes again: the same time on the wall clock, over both clock changes and
the ends of months. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from agenda.clock import LAST_INSTANT, instant_or_later

RULES = {
    "daily": "FREQ=DAILY",
    "weekdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "weekly": "FREQ=WEEKLY",
    "monthly": "FREQ=MONTHLY",
}
LAST_DAY_OF_EVERY_MONTH = 28


def repeat_of(rule: str) -> str:
    """The name of what hangs on the first deadline alone."""
    by_name = {"FREQ=DAILY": "daily", RULES["weekdays"]: "weekdays"}
    if name := by_name.get(rule):
        return name
    if re.fullmatch(r"FREQ=WEEKLY(;BYDAY=\w\w)?", rule):
        return "weekly"
    return "monthly" if re.fullmatch(r"FREQ=MONTHLY(;BYMONTHDAY=\d+)?", rule) else ""


def rule(repeat: str, *, series: date) -> str:
    """As RFC 5545 writes it, for a start on a day of the series."""
    if repeat == "monthly" and series.day > LAST_DAY_OF_EVERY_MONTH:
        # The last of these days that the month has.
        days = ",".join(map(str, range(LAST_DAY_OF_EVERY_MONTH, series.day + 1)))
        return f"FREQ=MONTHLY;BYMONTHDAY={days};BYSETPOS=-1"
    return RULES[repeat]


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
    start = begin
    if repeat == "weekly":
        days = (series.weekday() - begin.weekday()) % 7
        if LAST_INSTANT.date() - begin < timedelta(days=days):
            return
        start += timedelta(days=days)
    elif repeat == "monthly":
        start = begin.replace(day=min(series.day, LAST_DAY_OF_EVERY_MONTH))
    for found in rrulestr(rule(repeat, series=series), dtstart=datetime.combine(start, time.min)):
        if begin <= found.date() <= LAST_INSTANT.date():
            yield found.date()
