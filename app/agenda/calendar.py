"""Tasks as a calendar: a VTODO and a VEVENT each, with an alarm an hour before. Pure.

A repeating task carries its rule, so that a phone shows its next times too; its times are then wall
clocks with their time zone, because a rule in UTC would shift with the clocks.

Lines are written here, for icalendar takes 0.3 ms a task: a feed may have 10,000. The tests read
them with icalendar, and compare with what it writes of the same tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Calendar, Timezone

from agenda.models import Priority, Repeat
from agenda.repeat import is_on_series, rule

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

    id: UUID
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


def _components(task: TaskTold, zone: ZoneInfo) -> tuple[str, str]:
    again = _recurrence(task, zone=zone)
    end = task.deadline_at.astimezone(zone if again else UTC)
    start = _start(end) if again else end - EVENT_LASTS
    due, starts = moment(end, again), f"DTSTART{moment(start, again)}"
    repeats = f"RRULE:{again}\r\n" if again else ""
    words = "".join(_words(task))
    # A rule needs a start, and in a VTODO that lies before the end.
    todo = f"{starts}{repeats}" if again and start < end else ""
    ends = f"DTEND{due}" if start != end else ""
    return (
        f"BEGIN:VTODO\r\nUID:{task.id}-todo\r\n{todo}DUE{due}{words}END:VTODO\r\n",
        f"BEGIN:VEVENT\r\nUID:{task.id}-event\r\n{starts}{ends}TRANSP:TRANSPARENT\r\n"
        f"{repeats}{words}END:VEVENT\r\n",
    )


def _words(task: TaskTold) -> Iterator[str]:
    title = text(task.title)
    yield f"DTSTAMP{moment(task.created_at.astimezone(UTC))}"
    yield line(f"SUMMARY:{title}")
    yield from described(task.notes, task.tags, task.priority, is_private=bool(task.is_private))
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


def moment(at: datetime, is_local: object = None) -> str:
    """What follows a property's name: in UTC, or on the clocks of its own time zone."""
    iso = at.isoformat()
    digits = f"{iso[:4]}{iso[5:7]}{iso[8:13]}{iso[14:16]}{iso[17:19]}"
    return f";TZID={at.tzinfo}:{digits}\r\n" if is_local else f":{digits}Z\r\n"


def _start(deadline_at: datetime) -> datetime:
    """Never the day before: the rule counts days from here."""
    midnight = datetime.combine(deadline_at.date(), time.min, tzinfo=deadline_at.tzinfo)
    return max(deadline_at - EVENT_LASTS, midnight)


def _recurrence(task: TaskTold, *, zone: ZoneInfo) -> str:
    """ "" for a task that does not repeat, and while one was kept longer than its series says."""
    if task.repeat_from is None or task.repeat_time is None:
        return ""
    series = datetime.combine(task.repeat_from, task.repeat_time)
    repeats = task.repeat_rule if task.repeat == Repeat.RULE else task.repeat
    if not is_on_series(task.deadline_at, repeat=repeats, series=series, zone=zone):
        return ""
    found, until, day = rule(repeats, series=series.date()).partition("UNTIL=")
    if until:  # of a start with a time zone it is an instant, in UTC
        last = datetime.combine(date.fromisoformat(day), time.max, tzinfo=zone).astimezone(UTC)
        day = moment(last).strip(":\r\n")
    return f"{found}{until}{day}"
