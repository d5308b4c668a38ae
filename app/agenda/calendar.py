"""Tasks as a calendar: a VTODO and a VEVENT each, with an alarm an hour before. Pure.

A repeating task carries its rule, so that a phone shows its next times too; its times are then wall
clocks with their time zone, because a rule in UTC would shift with the clocks. One that was given a
later deadline is an exception of its series (RECURRENCE-ID).

Lines are written here, for icalendar takes 0.3 ms a task: a feed may have 10,000. The tests read
them with icalendar, and compare with what it writes of the same tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Timezone

from agenda.models import Priority, Repeat
from agenda.repeat import rule, slot_of

EVENT_LASTS = timedelta(minutes=15)
REFRESH = timedelta(minutes=15)
CALENDAR_END = b"END:VCALENDAR\r\n"
CHUNK_LENGTH = 16 * 1024
# RFC 5545, 3.1: at most 75 octets a line, and no character in two.
FOLDED = re.compile(rb"(?s).{1,74}(?![\x80-\xbf])")
LINE_OCTETS = 75
OCTETS_A_CHARACTER = 4
# RFC 5545, 3.8.1.9: 1 is the highest, 1 to 4 are high; none stands for 0, undefined.
ICS_PRIORITIES = {Priority.IMPORTANT: 3, Priority.URGENT: 1}


class TaskTold(NamedTuple):
    """Of a Task what its calendar says, for `values_list`."""

    id: UUID | str
    title: str
    notes: str
    deadline_at: datetime
    is_private: bool
    tags: str
    priority: int
    repeat: str
    repeat_rule: str
    repeat_from: date | None
    repeat_time: time | None
    created_at: datetime

    @property
    def repeats(self) -> str:
        """As Task.repeats."""
        return self.repeat_rule if self.repeat == Repeat.RULE else self.repeat


def task_told(row: Iterable[Any]) -> TaskTold:
    """Of a row as MariaDB gives it, whose instants are in UTC and do not say so."""
    told = TaskTold._make(row)
    deadline_at, created_at = (at.replace(tzinfo=UTC) for at in (told.deadline_at, told.created_at))
    return told._replace(
        deadline_at=deadline_at, created_at=created_at, is_private=bool(told.is_private)
    )


def calendar(
    tasks: Iterable[TaskTold], *, name: str, zone: ZoneInfo, is_repeating: bool
) -> Iterator[bytes]:
    """`is_repeating`: whether any of the tasks does. Nothing in it changes unless a task does:
    equal tasks are equal bytes.
    """
    found = Calendar()
    found.add("prodid", "-//ctlv//agenda//FR")
    found.add("version", "2.0")
    found.add("name", name)
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    if is_repeating:
        found.add_component(Timezone.from_tzinfo(zone))
    yield bytes(found.to_ical()).removesuffix(CALENDAR_END)
    waiting, length = list[str](), 0
    for task in tasks:
        for component in _components(task, zone):
            waiting.append(component)
            length += len(component)
            if length > CHUNK_LENGTH:
                yield "".join(waiting).encode()
                waiting, length = [], 0
    yield "".join(waiting).encode()
    yield CALENDAR_END


def _components(task: TaskTold, zone: ZoneInfo) -> Iterator[str]:
    words = "".join(_words(task))
    slot, again = _recurrence(task, zone=zone)
    if slot is None:
        end = task.deadline_at.astimezone(UTC)
        yield _todo(task, end, words)
        yield _event(task, end - EVENT_LASTS, end, words)
        return
    start, end = _start(slot), task.deadline_at.astimezone(zone)
    repeats, exception = f"RRULE:{again}\r\n", f"RECURRENCE-ID{moment(start)}"
    # A rule needs a start, and in a VTODO that lies before the end.
    if start < slot:
        yield _todo(task, slot, f"DTSTART{moment(start)}{repeats}{words}")
        if end != slot:
            yield _todo(task, end, f"{exception}{words}")
    else:
        yield _todo(task, end, words)
    yield _event(task, start, slot, f"{repeats}{words}")
    if end != slot:
        yield _event(task, _start(end), end, f"{exception}{words}")


def _todo(task: TaskTold, end: datetime, words: str) -> str:
    return f"BEGIN:VTODO\r\nUID:{task.id}-todo\r\nDUE{moment(end)}{words}END:VTODO\r\n"


def _event(task: TaskTold, start: datetime, end: datetime, words: str) -> str:
    ends = f"DTEND{moment(end)}" if start != end else ""
    return (
        f"BEGIN:VEVENT\r\nUID:{task.id}-event\r\nDTSTART{moment(start)}{ends}"
        f"TRANSP:TRANSPARENT\r\n{words}END:VEVENT\r\n"
    )


def _words(task: TaskTold) -> Iterator[str]:
    title = text(task.title)
    yield f"DTSTAMP{moment(task.created_at.astimezone(UTC))}"
    yield line(f"SUMMARY:{title}")
    yield from described(task.notes, task.tags, task.priority, is_private=task.is_private)
    yield "BEGIN:VALARM\r\nACTION:DISPLAY\r\n"
    yield line(f"DESCRIPTION:{title}")
    yield "TRIGGER:-PT1H\r\nEND:VALARM\r\n"


def described(notes: str, tags: str, priority: int, *, is_private: bool) -> Iterator[str]:
    """The lines of what not every task has."""
    if notes:
        yield line(f"DESCRIPTION:{text(notes)}")
    if tags:
        yield line(f"CATEGORIES:{','.join(map(text, tags.split()))}")
    if priority:
        yield f"PRIORITY:{ICS_PRIORITIES[Priority(priority)]}\r\n"
    if is_private:
        yield "CLASS:PRIVATE\r\n"


def text(words: str) -> str:
    """As a value of RFC 5545, 3.3.11."""
    words = words.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return words.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def line(content: str) -> str:
    if len(content) * (1 if content.isascii() else OCTETS_A_CHARACTER) > LINE_OCTETS:
        content = b"\r\n ".join(FOLDED.findall(content.encode())).decode()
    return f"{content}\r\n"


def moment(at: datetime) -> str:
    """What follows a property's name: in UTC, or on the clocks of its own time zone."""
    iso = at.isoformat()
    digits = f"{iso[:4]}{iso[5:7]}{iso[8:13]}{iso[14:16]}{iso[17:19]}"
    return f":{digits}Z\r\n" if at.tzinfo is UTC else f";TZID={at.tzinfo}:{digits}\r\n"


def _start(deadline_at: datetime) -> datetime:
    """Never the day before: the rule counts days from here."""
    midnight = datetime.combine(deadline_at.date(), time.min, tzinfo=deadline_at.tzinfo)
    return max(deadline_at - EVENT_LASTS, midnight)


def _recurrence(task: TaskTold, *, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """When the series has this task, on its clocks, and its rule; None and "" without a series."""
    if task.repeat_from is None or task.repeat_time is None:
        return None, ""
    series = datetime.combine(task.repeat_from, task.repeat_time)
    slot = slot_of(task.deadline_at, repeat=task.repeats, series=series, zone=zone)
    if slot is None:
        return None, ""
    found, until, day = rule(task.repeats, series=series.date()).partition("UNTIL=")
    if until:  # of a start with a time zone it is an instant, in UTC
        last = datetime.combine(date.fromisoformat(day), time.max, tzinfo=zone).astimezone(UTC)
        day = moment(last).strip(":\r\n")
    return slot.astimezone(zone), f"{found}{until}{day}"
