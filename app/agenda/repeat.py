"""When a repeating task comes again: the same time on the wall clock, over both clock changes and
the ends of months. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr

from agenda.clock import LAST_INSTANT, instant_or_later

NAMED = {
    "daily": "FREQ=DAILY",
    "weekdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "weekly": "FREQ=WEEKLY",
    "monthly": "FREQ=MONTHLY",
}
RULE_LENGTH_MAX = 80
LAST_DAY_OF_EVERY_MONTH = 28
_EVERY = "(?:;INTERVAL=[1-9][0-9]?)?"
_DAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
# Every day of a year but 29 February.
_LAST = (
    "[12][0-9]{3}(?:(?:0[13578]|1[02])(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)(?:0[1-9]|[12][0-9]|30)|02(?:0[1-9]|1[0-9]|2[0-8]))"
)
RULE_PATTERN = (
    f"^FREQ=(?:(?:DAILY|YEARLY){_EVERY}|WEEKLY{_EVERY}(?:;BYDAY={_DAY}(?:,{_DAY}){{0,6}})?"
    f"|MONTHLY{_EVERY}(?:;BYDAY=(?:[1-4]|-1){_DAY})?)(?:;UNTIL={_LAST})?$"
)


def is_rule(text: str) -> bool:
    """Whether it is a rule of RFC 5545 that a task may carry, in one way of writing only. Its time
    of day, its day of the month and of the year are those of the first deadline.
    """
    return re.fullmatch(RULE_PATTERN, text) is not None


def repeat_of(rule: str) -> str:
    """A rule as a task carries it: its name if it has one, without what the first deadline says."""
    rule = re.sub(";BYMONTH(DAY)?=[0-9]+", "", rule)
    rule = re.sub("(WEEKLY[^B]*);BYDAY=..(?=;|$)", r"\1", rule)
    return next((name for name, named in NAMED.items() if named == rule), rule)


def rule(repeat: str, *, series: date) -> str:
    """As RFC 5545 writes it, for a start on a day of the series."""
    found = NAMED.get(repeat, repeat)
    is_by_date = "MONTHLY" in found or "YEARLY" in found
    if is_by_date and "BYDAY" not in found and series.day > LAST_DAY_OF_EVERY_MONTH:
        # The last of these days that the month has.
        days = ",".join(map(str, range(LAST_DAY_OF_EVERY_MONTH, series.day + 1)))
        month = f";BYMONTH={series.month}" if "YEARLY" in found else ""
        return f"{found}{month};BYMONTHDAY={days};BYSETPOS=-1"
    return found


def next_deadline(
    *, repeat: str, series: datetime, last_at: datetime, at: datetime, zone: ZoneInfo
) -> datetime | None:
    """The first time of the series after `last_at` that is still to come at `at`; None when there
    is none before the calendar's end.

    `repeat` is a name or a rule. `series` is the wall clock (naive) that the series hangs on: its
    time of day, and its weekday or its day of the month. The 31st is the last day of a shorter
    month, and the 31st again after it. A time that the clocks skip comes as much later as they
    skip; one that comes twice comes once.
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


def slot_of(
    deadline_at: datetime, *, repeat: str, series: datetime, zone: ZoneInfo
) -> datetime | None:
    """The time of the series that a deadline has, or was moved from: the last that is not after it;
    None when the series begins later.
    """
    every, unit = _step(rule(repeat, series=series.date()))
    day = deadline_at.astimezone(zone).date()
    begin = max(series.date(), day - 2 * every * unit)
    found = None
    for one in _days(repeat, series.date(), begin):
        slot = instant_or_later(datetime.combine(one, series.time()), zone=zone)
        if slot > deadline_at:
            break
        found = slot
    return found


def _step(text: str) -> tuple[int, relativedelta]:
    """Every how many of what a rule comes again."""
    interval = re.search("INTERVAL=([0-9]+)", text)
    units = {
        "D": relativedelta(days=1),
        "W": relativedelta(weeks=1),
        "M": relativedelta(months=1),
        "Y": relativedelta(years=1),
    }
    return int(interval[1]) if interval else 1, units[text.removeprefix("FREQ=")[0]]


def _days(repeat: str, series: date, begin: date) -> Iterator[date]:
    """The days of the series from `begin` on, up to the calendar's end."""
    text = rule(repeat, series=series)
    every, _unit = _step(text)
    if "DAILY" in text or "WEEKLY" in text:
        step = timedelta(days=every * (7 if "WEEKLY" in text else 1))
        start = series + (begin - series) // step * step
    else:
        months = every * (12 if "YEARLY" in text else 1)
        apart = (begin.year - series.year) * 12 + begin.month - series.month
        start = series.replace(day=1) if "BY" in text else series
        start += relativedelta(months=apart // months * months)
    for found in rrulestr(text, dtstart=datetime.combine(start, time.min)):
        if found.date() > LAST_INSTANT.date():
            return
        if found.date() >= begin:
            yield found.date()
