"""Weeks of days, each with its tasks, and with the next times of those that repeat. Pure."""

from __future__ import annotations

from calendar import Calendar
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from agenda.clock import instant_or_later
from agenda.models import Task
from agenda.repeat import walls_after

FIRST_YEAR, LAST_YEAR = 1970, 9997
DECEMBER = 12
WEEKS = 5
# Of a day: thousands would cost a worker its memory.
DAY_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`until`: a deadline, aware. `is_next`: one of the series that has no task of its own yet."""

    until: datetime
    task: Task
    is_next: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    day: date
    entries: list[Entry]
    more: int  # not shown


def is_month(year: int, month: int) -> bool:
    return FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= DECEMBER


def days_of(year: int, month: int) -> list[list[date]]:
    return Calendar().monthdatescalendar(year, month)


def days_from(today: date) -> list[list[date]]:
    """The week of `today` and those after it: what lies behind is forgotten anyway."""
    monday = today - timedelta(days=today.weekday())
    days = [monday + timedelta(days=n) for n in range(WEEKS * 7)]
    return [days[n : n + 7] for n in range(0, len(days), 7)]


def weeks(shown: list[list[date]], tasks: Iterable[Task], *, zone: ZoneInfo) -> list[list[Day]]:
    by_day: dict[date, list[Entry]] = defaultdict(list)
    count: Counter[date] = Counter()

    def put(wall: datetime, until: datetime, task: Task, *, is_next: bool = False) -> None:
        count[wall.date()] += 1
        if count[wall.date()] <= DAY_SHOWN_MAX:
            by_day[wall.date()].append(Entry(until=until, task=task, is_next=is_next))

    for task in tasks:
        wall = task.deadline_at.astimezone(zone).replace(tzinfo=None)
        put(wall, task.deadline_at, task)
        for again in _again(task, wall, first=shown[0][0], last=shown[-1][-1]):
            put(again, instant_or_later(again, zone=zone), task, is_next=True)
    return [
        [
            Day(
                day=day,
                entries=sorted(by_day[day], key=lambda entry: entry.until),
                more=max(0, count[day] - DAY_SHOWN_MAX),
            )
            for day in week
        ]
        for week in shown
    ]


def _again(task: Task, wall: datetime, *, first: date, last: date) -> Iterator[datetime]:
    if not task.repeat or task.repeat_from is None or task.repeat_time is None:
        return
    series = datetime.combine(task.repeat_from, task.repeat_time)
    begin = max(first, wall.date())
    for again in walls_after(wall, repeat=task.repeats, series=series, begin=begin):
        if again.date() > last:
            return
        yield again
