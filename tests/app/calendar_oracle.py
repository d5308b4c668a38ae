"""A task's calendar as icalendar writes it: what app/agenda/calendar.py is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, Timezone, Todo, vRecur

from agenda.calendar import EVENT_LASTS, ICS_PRIORITIES, REFRESH
from agenda.clock import instant_or_later
from agenda.models import Priority, Task
from agenda.repeat import rule, walls_after

ALARM_BEFORE = timedelta(hours=1)


def calendar_of(tasks: list[Task], *, name: str, zone: ZoneInfo, is_repeating: bool) -> Calendar:
    found = Calendar()
    found.add("prodid", "-//ctlv//agenda//FR")
    found.add("version", "2.0")
    found.add("name", name)
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    if is_repeating:
        found.add_component(Timezone.from_tzinfo(zone))
    for task in tasks:
        for component in _components(task, zone=zone):
            found.add_component(component)
    return found


def _components(task: Task, *, zone: ZoneInfo) -> list[Todo | Event]:
    slot, again = _recurrence(task, zone=zone)
    if slot is None:
        at = task.deadline_at
        return [_todo(task, at), _event(task, at, at - EVENT_LASTS)]
    start, end = _start(slot), task.deadline_at.astimezone(zone)
    moved = {"recurrence-id": start} if end != slot else None
    told = {"dtstart": start, "rrule": again}
    # A rule needs a start, and that before the end.
    todos = [_todo(task, slot, told)] if start < slot else [_todo(task, end)]
    if moved and start < slot:
        todos.append(_todo(task, end, moved))
    events = [_event(task, slot, start, {"rrule": again})]
    return [*todos, *events, *([_event(task, end, _start(end), moved)] if moved else [])]


def _todo(task: Task, end: datetime, also: dict[str, Any] | None = None) -> Todo:
    todo = Todo()
    todo.add("uid", f"{task.id}-todo")
    todo.add("due", end)
    return _described(todo, task, also)


def _event(task: Task, end: datetime, start: datetime, also: dict[str, Any] | None = None) -> Event:
    event = Event()
    event.add("uid", f"{task.id}-event")
    event.add("dtstart", start)
    if start != end:
        event.add("dtend", end)
    event.add("transp", "TRANSPARENT")
    return _described(event, task, also)


def _start(deadline_at: datetime) -> datetime:
    """Never the day before: the rule counts days from here."""
    midnight = datetime.combine(deadline_at.date(), time.min, tzinfo=deadline_at.tzinfo)
    return max(deadline_at - EVENT_LASTS, midnight)


def _recurrence(task: Task, *, zone: ZoneInfo) -> tuple[datetime | None, vRecur | None]:
    """Its time in the series, found by walking it; None for a task that does not repeat."""
    if task.repeat_from is None or task.repeat_time is None:
        return None, None
    series = datetime.combine(task.repeat_from, task.repeat_time)
    slot, rest = (
        None,
        walls_after(series - timedelta(seconds=1), repeat=task.repeats, series=series),
    )
    while (at := instant_or_later(next(rest, datetime.max), zone=zone)) <= task.deadline_at:
        slot = at.astimezone(zone)
    found: vRecur = vRecur.from_ical(rule(task.repeats, series=series.date()))
    if until := found.get("UNTIL"):  # of a start with a time zone it is an instant, in UTC
        found["UNTIL"] = [datetime.combine(until[0], time.max, tzinfo=zone).astimezone(UTC)]
    return slot, found


def _described(component: Todo | Event, task: Task, also: dict[str, Any] | None) -> Todo | Event:
    for name, value in (also or {}).items():
        component.add(name, value)
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
    return component
