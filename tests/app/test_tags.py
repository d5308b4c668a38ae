"""Tags and priority: written, found, shown, taken along."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from agenda.calendar import calendar
from agenda.clock import zone_of
from agenda.models import Priority, Repeat, Task
from agenda.services import TaskInput, task_add
from agenda.tags import COLUMN_LENGTH, TAG_LENGTH_MAX, TAGS_MAX, column_of, tag_name, tag_names
from tests.app.test_tasks import NEW, form

AGAIN = {"password": "a long enough password"}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("#Projet", "projet"),
        ("projet", "projet"),
        ("RÉSEAUX", "réseaux"),
        ("re\u0301seaux", "réseaux"),
        ("tp-3_b", "tp-3_b"),
        ("3a", "3a"),
        ("日本", "日本"),
        ("हिन्दी", "हिन्दी"),
        ("x" * TAG_LENGTH_MAX, "x" * TAG_LENGTH_MAX),
        ("x" * (TAG_LENGTH_MAX + 1), None),
        ("#", None),
        ("", None),
        ("-a", None),
        ("a b", None),
        ("a/b", None),
        ("a%", None),
        ("##a", None),
        ("🎉", None),
    ],
)
def test_a_tag_is_letters_and_digits(word, name):
    assert tag_name(word) == name


@given(st.lists(st.text(max_size=40), max_size=30))
def test_whatever_is_written_what_is_kept_fits_and_is_read_back(words):
    names, _ = tag_names(words)
    assert column_of(names).split() == names
    assert len(column_of(names[:TAGS_MAX])) <= COLUMN_LENGTH
    assert tag_names(names) == (names, [])


def test_the_form_keeps_tags_priority_and_repeat(page):
    page.post(NEW, form(tags="#Projet, tp projet", priority="2", repeat="weekly"))
    task = Task.objects.get()
    assert (task.tag_names, task.priority, task.repeat) == (["projet", "tp"], 2, "weekly")
    content = page.get(f"/agenda/tasks/{task.id}/").content.decode()
    assert 'value="projet tp"' in content
    assert '<option value="weekly" selected>' in content
    content = page.get("/agenda").content.decode()
    assert all(word in content for word in ("#projet", "#tp", "urgent", "every week"))


def test_a_form_of_the_release_before_still_works(page):
    page.post(NEW, form())
    task = Task.objects.get()
    assert (task.tags, task.priority, task.repeat) == ("", Priority.NORMAL, Repeat.NEVER)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tags": "a/b"}, "“a/b” cannot be a tag"),
        ({"tags": "x" * 31}, "cannot be a tag"),
        ({"tags": "x" * 10_000}, "at most"),
        ({"tags": " ".join(f"t{n}" for n in range(11))}, "at most 10 tags"),
        ({"tags": "a\x00"}, "Null characters"),
        ({"priority": "3"}, "not one of the available choices"),
        ({"priority": "x"}, "not one of the available choices"),
        ({"repeat": "yearly"}, "not one of the available choices"),
        ({"repeat": "rule"}, "not one of the available choices"),
        ({"repeat": "FREQ=SECONDLY"}, "not one of the available choices"),
    ],
)
def test_bad_tags_priorities_and_repeats_are_answered_beside_their_field(page, given, said):
    response = page.post(NEW, form(**given))
    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Task.objects.exists()


@pytest.fixture
def three(alice):
    at = timezone.now()
    for title, tags, priority in [("a", ["Réseaux", "tp"], 0), ("b", ["t"], 1), ("c", [], 2)]:
        given = TaskInput(
            title=title, deadline_at=at + timedelta(days=1), tags=tags, priority=priority
        )
        task_add(owner_id=alice.pk, given=given, at=at)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("#tp", ["a"]),
        ("#t", ["b"]),
        ("#reseaux", ["a"]),
        ("#RÉSEAUX #tp", ["a"]),
        ("#tp !", []),
        ("!", ["b", "c"]),
        ("!!", ["c"]),
        ("!!!!", ["c"]),
        ("#", []),
        ("#%", []),
        ("#_", []),
    ],
)
def test_search_finds_by_tag_and_priority(page, three, words, found):
    content = page.get("/agenda/search/", {"q": words}).content.decode()
    assert [title for title in "abc" if f">{title}</a>" in content] == found
    assert sorted(task.title for task in Task.objects.about(words)) == found


def test_the_agenda_offers_ones_tags(page, three, bob):
    at = timezone.now()
    given = TaskInput(title="x", deadline_at=at + timedelta(days=1), tags=["secret"])
    task_add(owner_id=bob.pk, given=given, at=at)
    content = page.get("/agenda").content.decode()
    assert 'href="/agenda/search/?q=%23r%C3%A9seaux"' in content
    assert "secret" not in content


def test_the_export_names_them(page, alice):
    at = timezone.now()
    given = TaskInput(
        title="x", deadline_at=at + timedelta(days=1), tags=["tp"], priority=2, repeat="daily"
    )
    task_add(owner_id=alice.pk, given=given, at=at)
    [task] = json.loads(page.post("/agenda/account/export/", AGAIN).getvalue())["tasks"]
    assert (task["tags"], task["priority"], task["repeat"]) == (["tp"], "urgent", "daily")


def in_calendar(task, zone=""):
    told = calendar([task], name="x", zone=zone_of(zone), is_repeating=bool(task.repeat))
    body = b"".join(told)
    parts = Calendar.from_ical(body).walk()
    return next(p for p in parts if p.name == "VTODO"), next(p for p in parts if p.name == "VEVENT")


def task_at(wall, **given):
    from agenda.clock import instant  # noqa: PLC0415 - beside its only use

    fields = {"repeat_from": wall.date(), "repeat_time": wall.time()} | given
    deadline_at = instant(wall, zone=zone_of(""))
    return Task(title="x", deadline_at=deadline_at, created_at=deadline_at, **fields)


def test_the_calendar_has_categories_priority_and_rule(alice):
    from datetime import datetime  # noqa: PLC0415 - beside its only use

    wall = datetime(2027, 1, 31, 9)
    todo, event = in_calendar(task_at(wall, tags=" tp b ", priority=2, repeat="monthly"))
    assert todo["priority"] == 1
    assert todo["categories"].cats == ["tp", "b"]
    for part in (todo, event):
        rule = part["rrule"].to_ical().decode()
        assert rule == "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"
        assert part["dtstart"].params["TZID"] == "Europe/Paris"
    todo, _ = in_calendar(task_at(wall, repeat="weekdays"))
    assert "rrule" not in todo  # a Sunday: chosen by hand, not of the series
    todo, event = in_calendar(task_at(datetime(2027, 2, 1, 0, 5), repeat="weekdays"))
    assert event["rrule"].to_ical() == b"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    assert event["dtstart"].dt.day == 1
    rule = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20270630"
    _, event = in_calendar(task_at(datetime(2027, 2, 1, 9), repeat="rule", repeat_rule=rule))
    said = event["rrule"].to_ical().decode()
    assert sorted(said.split(";")) == [
        *("BYDAY=MO,TH", "FREQ=WEEKLY", "INTERVAL=2", "UNTIL=20270630T215959Z")
    ]
    _, event = in_calendar(task_at(datetime(2027, 2, 1, 0, 0), repeat="daily"))
    assert "dtend" not in event


def test_without_them_the_calendar_has_none(alice):
    at = timezone.now()
    todo, event = in_calendar(Task(title="x", deadline_at=at, created_at=at))
    assert not {"rrule", "priority", "categories"} & (set(todo) | set(event))


def test_the_feed_names_its_time_zone_only_when_something_repeats(page, alice):
    at = timezone.now()
    address = page.post("/agenda/account/calendar/", AGAIN).context["address"]
    given = TaskInput(title="x", deadline_at=at + timedelta(days=1), repeat="daily")
    assert b"VTIMEZONE" not in Client().get(address).getvalue()
    task_add(owner_id=alice.pk, given=given, at=at)
    assert b"TZID:Europe/Paris" in Client().get(address).getvalue()
