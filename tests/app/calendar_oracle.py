"""A task's calendar as icalendar writes it: what app/agenda/calendar.py is compared with."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, Timezone, Todo, vRecur

from agenda.calendar import EVENT_LASTS, ICS_PRIORITIES, REFRESH
from agenda.models import Priority, Task
from agenda.repeat import is_on_series, rule

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
        again = _recurrence(task, zone=zone)
        deadline_at = task.deadline_at.astimezone(zone) if again else task.deadline_at
        found.add_component(_todo(task, deadline_at, again))
        found.add_component(_event(task, deadline_at, again))
    return found


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
