"""Where a task stands on the page: Now, Today, Tomorrow, This week, then a heading a day, and what
is further than a month by itself. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from agenda.clock import DAYS_A_WEEK, day_start
from agenda.models import Task

Name = Literal["now", "today", "tomorrow", "week", "day", "far"]
NOW = timedelta(hours=1)
FAR_FROM_DAYS = 31


@dataclass(frozen=True, slots=True)
class Group:
    name: Name
    day: date | None
    tasks: list[Task]

    @property
    def key(self) -> str:
        """Of this group and no other on the page."""
        return f"day-{self.day}" if self.day else self.name


def group_name(deadline_at: datetime, *, at: datetime, zone: ZoneInfo) -> Name:
    if deadline_at - at <= NOW:
        return "now"
    today = at.astimezone(zone).date()
    days = (deadline_at.astimezone(zone).date() - today).days
    if days == 0:
        return "today"
    if days == 1:
        return "tomorrow"
    if days < DAYS_A_WEEK - today.weekday():
        return "week"
    return "day" if days < FAR_FROM_DAYS else "far"


def grouped(tasks: Iterable[Task], *, at: datetime, zone: ZoneInfo) -> list[Group]:
    """`tasks` come by deadline, so each group comes once."""

    def place(task: Task) -> tuple[Name, date | None]:
        name = group_name(task.deadline_at, at=at, zone=zone)
        return name, task.deadline_at.astimezone(zone).date() if name == "day" else None

    return [Group(*found, list(members)) for found, members in groupby(tasks, key=place)]


def turns_at(tasks: Iterable[Task], *, at: datetime, zone: ZoneInfo) -> datetime:
    """When one of `tasks`, which come by deadline, will next stand under another heading: an hour
    before its deadline, or at midnight.
    """
    midnight = day_start(at.astimezone(zone).date() + timedelta(days=1), zone=zone)
    begins = (task.deadline_at - NOW for task in tasks)
    return min(next((begin for begin in begins if begin > at), midnight), midnight)
