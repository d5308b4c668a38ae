"""The calendar feed: secret, revocable, and it forgets too."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from time import thread_time
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from accounts.models import User
from agenda.calendar import calendar
from agenda.clock import instant_or_later
from agenda.models import Task
from agenda.services import TaskInput, task_add, task_keep
from tests.app.calendar_oracle import calendar_of

PARIS = ZoneInfo("Europe/Paris")
PAGE = "/agenda/account/calendar/"
AGAIN = {"password": "a long enough password"}


@pytest.fixture
def feed(page):
    return re.search(r"(/agenda/calendar/[^\"]+)", page.post(PAGE, AGAIN).content.decode())[1]


def test_the_feed_holds_ones_own_live_tasks(feed, add, bob):
    task = add("Réviser; les, VLAN", notes="deux\nlignes")
    add("gone", left=-timedelta(seconds=1))
    add("theirs", owner=bob)
    response = Client().get(feed)
    parts = Calendar.from_ical(response.getvalue()).walk()
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert [str(part["summary"]) for part in parts if "summary" in part] == [task.title] * 2
    assert {part.name for part in parts} == {"VCALENDAR", "VTODO", "VEVENT", "VALARM"}
    assert response["Referrer-Policy"] == "no-referrer"


def test_lines_are_folded_where_no_character_is_cut(feed, add):
    notes = "a\U0001f382é\n;," * 1250
    add(notes=notes)
    body = Client().get(feed).getvalue()
    assert max(map(len, body.split(b"\r\n"))) <= 75
    told = [str(part["description"]) for part in Calendar.from_ical(body).walk("VEVENT")]
    assert told == [notes]


def test_long_tasks_are_told_as_they_are_read(feed, add):
    for number in range(100):
        add(notes="é" * 10_000, left=timedelta(hours=1 + number))
    began, response = thread_time(), Client().get(feed)
    assert response.streaming
    assert max(map(len, response)) < 50_000
    assert thread_time() - began < 2


def test_an_unchanged_feed_is_not_sent_again(feed, add):
    task = add()
    etag = Client().get(feed)["ETag"]
    assert Client().get(feed, HTTP_IF_NONE_MATCH=etag).status_code == 304
    task.delete()
    assert Client().get(feed, HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_what_a_feed_says_makes_its_etag_and_nothing_else_does(feed, add):
    task = add(repeat="daily", repeat_from=date(2026, 11, 30), repeat_time=time(9))
    add("another")
    seen = [Client().get(feed)["ETag"]]
    changes = (
        *({"title": "b"}, {"notes": "b"}, {"tags": " b "}, {"priority": 1}, {"is_private": True}),
        *({"repeat": "weekly"}, {"repeat_rule": "FREQ=YEARLY"}, {"repeat_time": time(10)}),
        *({"repeat_from": date(2026, 12, 1)}, {"created_at": timezone.now()}),
        {"deadline_at": task.deadline_at + timedelta(minutes=1)},
    )
    for change in changes:
        Task.objects.filter(pk=task.pk).update(**change)
        seen.append(Client().get(feed)["ETag"])
    assert len(set(seen)) == len(seen) == 12
    Task.objects.filter(pk=task.pk).update(announced=2)
    assert Client().get(feed)["ETag"] == seen[-1]


def test_an_unchanged_feed_asks_who_it_is_of_and_one_question_more(feed, add):
    for number in range(30):
        add(f"t{number}", notes="x" * 10_000)
    etag = Client().get(feed)["ETag"]
    with CaptureQueriesContext(connection) as questions:
        assert Client().get(feed, HTTP_IF_NONE_MATCH=etag).status_code == 304
    assert len(questions) == 2


def test_a_new_address_ends_the_old_one_and_closing_ends_all(page, feed):
    page.post(PAGE, AGAIN)
    assert Client().get(feed).status_code == 404
    page.post(PAGE, {"close": ""})
    assert User.objects.get(username="alice").calendar_sha256 is None


def test_the_address_is_shown_once_and_only_its_digest_is_kept(page, feed, alice):
    token = feed.split("/")[-1].removesuffix(".ics")
    assert token not in page.get(PAGE).content.decode()
    alice.refresh_from_db()
    assert token not in (alice.calendar_sha256 or "")


@pytest.mark.parametrize("token", ["x", "None", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934c"])
def test_a_guess_is_404(client, alice, token):
    assert client.get(f"/agenda/calendar/{token}.ics").status_code == 404


WORDS = st.text(alphabet="aé\U0001f382 ;,:\\\"'\n=#x", min_size=1, max_size=120)
RULES = (
    *("", "daily", "weekdays", "weekly", "monthly", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH"),
    *("FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20270630", "FREQ=YEARLY"),
)


@st.composite
def tasks(draw):
    wall = draw(st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)))
    deadline_at = instant_or_later(wall.replace(microsecond=0), zone=PARIS)
    repeat = draw(st.sampled_from(RULES))
    is_rule = repeat.startswith("FREQ")
    # Later than its series says; with a series that begins there, or did days before.
    deadline_at += timedelta(hours=draw(st.sampled_from([0, 0, 1, 5, 24, 75])))
    begins = wall.date() - timedelta(days=draw(st.sampled_from([0, 0, 1, 7, 40])))
    return Task(
        title=draw(WORDS),
        notes=draw(st.one_of(st.just(""), WORDS)),
        deadline_at=deadline_at,
        created_at=draw(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))).replace(
            tzinfo=UTC
        ),
        is_private=draw(st.booleans()),
        tags=draw(st.sampled_from(["", " tp ", " été b-2 "])),
        priority=draw(st.integers(0, 2)),
        repeat="rule" if is_rule else repeat,
        repeat_rule=repeat if is_rule else "",
        repeat_from=begins if repeat else None,
        repeat_time=wall.time().replace(microsecond=0) if repeat else None,
    )


@given(st.lists(tasks(), min_size=1, max_size=4))
def test_a_calendar_says_what_icalendar_writes_of_the_same_tasks(some):
    told = {"name": "a", "zone": PARIS, "is_repeating": True}
    body = b"".join(calendar(some, **told))
    assert max(map(len, body.split(b"\r\n"))) <= 75
    assert Calendar.from_ical(body).to_ical() == calendar_of(some, **told).to_ical()


def test_one_that_was_moved_is_an_exception_and_the_series_stays(feed, alice):
    User.objects.update(time_zone="Europe/Paris")
    at = timezone.now()
    monday = (at + timedelta(days=8)).replace(hour=9, minute=0, second=0, microsecond=0)
    written = TaskInput(title="x", deadline_at=monday, repeat="weekly")
    task = task_add(owner_id=alice.pk, given=written, at=at)
    until = monday + timedelta(hours=29)
    assert task_keep(owner_id=alice.pk, task_id=task.id, seen_at=monday, until=until, at=at)
    for kind in ("VTODO", "VEVENT"):
        series, moved = Calendar.from_ical(Client().get(feed).getvalue()).walk(kind)
        assert series["UID"] == moved["UID"]
        assert (series["RRULE"].to_ical(), "RRULE" in moved) == (b"FREQ=WEEKLY", False)
        assert moved["RECURRENCE-ID"].dt == series["DTSTART"].dt
        end = "DUE" if kind == "VTODO" else "DTEND"
        assert (series[end].dt, moved[end].dt) == (monday, until)
