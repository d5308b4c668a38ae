"""Where a task stands on the page: Now, Today, Tomorrow, This week, Later. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from agenda.models import Task

Name = Literal["now", "today", "tomorrow", "week", "later"]
NOW = timedelta(hours=1)
DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Group:
    name: Name
    tasks: list[Task]


def group_name(deadline_at: datetime, *, at: datetime, zone: ZoneInfo) -> Name:
    if deadline_at - at <= NOW:
        return "now"
    today = at.astimezone(zone).date()
    days = (deadline_at.astimezone(zone).date() - today).days
    if days == 0:
        return "today"
    if days == 1:
        return "tomorrow"
    return "week" if days < DAYS_A_WEEK - today.weekday() else "later"


def grouped(tasks: Iterable[Task], *, at: datetime, zone: ZoneInfo) -> list[Group]:
    """`tasks` come by deadline, so each group comes once."""
    by_name = groupby(tasks, key=lambda task: group_name(task.deadline_at, at=at, zone=zone))
    return [Group(name, list(members)) for name, members in by_name]
