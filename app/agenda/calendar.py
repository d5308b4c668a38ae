"""Tasks as a calendar: a VTODO and a VEVENT each, with an alarm an hour before. Pure.

A repeating task carries its rule, so that a phone shows its next times too; its times are then wall
clocks with their time zone, because a rule in UTC would shift with the clocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Component, Event, Timezone, Todo, vRecur

from agenda.models import Priority, Task
from agenda.repeat import is_on_series, rule

ALARM_BEFORE = timedelta(hours=1)
CALENDAR_END = b"END:VCALENDAR\r\n"
# RFC 5545, 3.1: at most 75 octets a line, and no character in two.
FOLDED = re.compile(rb"(?s).{1,74}(?![\x80-\xbf])")
EVENT_LASTS = timedelta(minutes=15)
REFRESH = timedelta(minutes=15)
# RFC 5545, 3.8.1.9: 1 is the highest, 1 to 4 are high; none stands for 0, undefined.
ICS_PRIORITIES = {Priority.IMPORTANT: 3, Priority.URGENT: 1}


def calendar(
    tasks: Iterable[Task], *, name: str, zone: ZoneInfo, is_repeating: bool
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
    for task in tasks:
        again = _recurrence(task, zone=zone)
        deadline_at = task.deadline_at.astimezone(zone) if again else task.deadline_at
        yield component_bytes(_todo(task, deadline_at, again))
        yield component_bytes(_event(task, deadline_at, again))
    yield CALENDAR_END


def component_bytes(component: Component) -> bytes:
    """As its to_ical, which takes 10 ms to fold 10,000 letters."""
    lines = (str(line).encode() for line in component.content_lines())
    return b"".join(b"\r\n ".join(FOLDED.findall(line)) + b"\r\n" for line in lines if line)


def _todo(task: Task, deadline_at: datetime, again: vRecur | None) -> Todo:
    todo = Todo()
    todo.add("uid", f"{task.id}-todo")
    if again and _start(deadline_at) < deadline_at:  # a rule needs a start, and that before the end
        todo.add("dtstart", _start(deadline_at))
        todo.add("rrule", again)
    todo.add("due", deadline_at)
    _describe(todo, task)
    return todo


def _event(task: Task, deadline_at: datetime, again: vRecur | None) -> Event:
    event = Event()
    event.add("uid", f"{task.id}-event")
    start = _start(deadline_at) if again else deadline_at - EVENT_LASTS
    event.add("dtstart", start)
    if start != deadline_at:
        event.add("dtend", deadline_at)
    event.add("transp", "TRANSPARENT")
    if again:
        event.add("rrule", again)
    _describe(event, task)
    return event


def _start(deadline_at: datetime) -> datetime:
    """Never the day before: the rule counts days from here."""
    midnight = datetime.combine(deadline_at.date(), time.min, tzinfo=deadline_at.tzinfo)
    return max(deadline_at - EVENT_LASTS, midnight)


def _recurrence(task: Task, *, zone: ZoneInfo) -> vRecur | None:
    """None for a task that does not repeat, and while one was kept longer than its series says."""
    if task.repeat_from is None or task.repeat_time is None:
        return None
    series = datetime.combine(task.repeat_from, task.repeat_time)
    if not is_on_series(task.deadline_at, repeat=task.repeats, series=series, zone=zone):
        return None
    found: vRecur = vRecur.from_ical(rule(task.repeats, series=series.date()))
    if until := found.get("UNTIL"):  # of a start with a time zone it is an instant, in UTC
        found["UNTIL"] = [datetime.combine(until[0], time.max, tzinfo=zone).astimezone(UTC)]
    return found


def _describe(component: Todo | Event, task: Task) -> None:
    component.add("dtstamp", task.created_at)
    component.add("summary", task.title)
    if task.notes:
        component.add("description", task.notes)
    if task.tags:
        component.add("categories", task.tag_names)
    if task.priority:
        component.add("priority", ICS_PRIORITIES[Priority(task.priority)])
    if task.is_private:
        component.add("class", "PRIVATE")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", task.title)
    alarm.add("trigger", -ALARM_BEFORE)
    component.add_component(alarm)
