"""A month as weeks of days, each with its tasks. Pure."""

from __future__ import annotations

from calendar import Calendar
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from agenda.models import Task

FIRST_YEAR, LAST_YEAR = 1970, 9997
DECEMBER = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    day: date
    is_in_month: bool
    tasks: list[Task]


def is_month(year: int, month: int) -> bool:
    return FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= DECEMBER


def days_of(year: int, month: int) -> list[list[date]]:
    return Calendar().monthdatescalendar(year, month)


def weeks(year: int, month: int, tasks: Iterable[Task], *, zone: ZoneInfo) -> list[list[Day]]:
    by_day: dict[date, list[Task]] = defaultdict(list)
    for task in tasks:
        by_day[task.deadline_at.astimezone(zone).date()].append(task)
    return [
        [Day(day=day, is_in_month=day.month == month, tasks=by_day[day]) for day in week]
        for week in days_of(year, month)
    ]


def neighbours(year: int, month: int) -> tuple[tuple[int, int], tuple[int, int]]:
    before = (year - 1, DECEMBER) if month == 1 else (year, month - 1)
    after = (year + 1, 1) if month == DECEMBER else (year, month + 1)
    return before, after
