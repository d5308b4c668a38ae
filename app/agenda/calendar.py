"""Tasks as a calendar: a VTODO and a VEVENT each, with an alarm an hour before. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from icalendar import Alarm, Calendar, Event, Todo

from agenda.models import Task

ALARM_BEFORE = timedelta(hours=1)
EVENT_LASTS = timedelta(minutes=15)
REFRESH = timedelta(minutes=15)


def calendar(tasks: Iterable[Task], *, name: str) -> bytes:
    """Nothing in it changes unless a task does: equal tasks are equal bytes."""
    found = Calendar()
    found.add("prodid", "-//ctlv//agenda//FR")
    found.add("version", "2.0")
    found.add("name", name)
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for task in tasks:
        found.add_component(_todo(task))
        found.add_component(_event(task))
    return bytes(found.to_ical())


def _todo(task: Task) -> Todo:
    todo = Todo()
    todo.add("uid", f"{task.id}-todo")
    todo.add("due", task.deadline_at)
    _describe(todo, task)
    return todo


def _event(task: Task) -> Event:
    event = Event()
    event.add("uid", f"{task.id}-event")
    event.add("dtstart", task.deadline_at - EVENT_LASTS)
    event.add("dtend", task.deadline_at)
    event.add("transp", "TRANSPARENT")
    _describe(event, task)
    return event


def _describe(component: Todo | Event, task: Task) -> None:
    component.add("dtstamp", task.created_at)
    component.add("summary", task.title)
    if task.notes:
        component.add("description", task.notes)
    if task.is_private:
        component.add("class", "PRIVATE")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", task.title)
    alarm.add("trigger", -ALARM_BEFORE)
    component.add_component(alarm)
