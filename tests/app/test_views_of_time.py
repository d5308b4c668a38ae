"""The month, the day as one sound, and search."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from time import thread_time
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from agenda import month as months
from agenda.models import Task
from agenda.services import TaskInput, task_add, task_keep
from agenda.spoken import day_utterance


def month_of(task):
    local = timezone.localtime(task.deadline_at)
    return f"/agenda/month/{local.year}/{local.month}/"


def test_the_month_is_a_table_of_ones_own_live_tasks(page, add, bob):
    mine = add("mine", left=timedelta(days=40))
    add("theirs", left=timedelta(days=40), owner=bob)
    content = page.get(month_of(mine)).content.decode()
    assert "mine" in content
    assert "theirs" not in content
    assert content.count('scope="col"') == 7


@pytest.mark.parametrize("today", [date(2026, 11, 30), date(2026, 12, 6), date(2028, 2, 29)])
def test_the_weeks_from_today_begin_with_its_week_and_are_five(today):
    days = [day for week in months.days_from(today) for day in week]
    assert len(days) == 35
    assert days[0].weekday() == 0
    assert today in days[:7]
    assert days == sorted(set(days))


def test_the_month_begins_today_and_its_days_add(page, add):
    add("soon", left=timedelta(minutes=5))
    content = page.get("/agenda/month/").text
    today = timezone.localtime().date()
    assert "<caption" in content
    assert "soon" in content
    for days, is_offered in ((-1, False), (0, True), (28, True)):
        day = today + timedelta(days=days)
        assert (f"?day={day.isoformat()}" in content) is is_offered


@pytest.mark.parametrize("chosen", ["", "x", "0001-01-01", "2026-13-01"])
def test_a_day_that_is_none_or_over_offers_what_no_day_offers(page, chosen):
    offered = page.get("/agenda/tasks/new/", {"day": chosen}).context["form"]["deadline_at"]
    assert offered.value() > timezone.now()


@pytest.mark.parametrize("chosen", ["2099-05-04", "9999-12-31"])
def test_a_chosen_day_is_offered_at_its_evening(page, chosen):
    content = page.get("/agenda/tasks/new/", {"day": chosen}).text
    assert f'value="{chosen}T18:00"' in content


def test_links_in_notes_can_be_followed(page, add):
    notes = "see (https://example.org/a?b=1&c=2), javascript:alert(1) and http://x.example/."
    content = page.get(f"/agenda/tasks/{add(notes=notes).pk}/").text
    assert re.findall(r'<a href="(\S+)" rel="noreferrer"', content) == [
        "https://example.org/a?b=1&amp;c=2",
        "http://x.example/",
    ]


@pytest.mark.parametrize("path", ["2026/13/", "2026/0/", "1/1/", "9999/12/", "9998/1/", "x/1/"])
def test_a_month_that_is_none_is_404(page, path):
    assert page.get(f"/agenda/month/{path}").status_code == 404


@pytest.mark.parametrize("path", ["", "1970/1/", "9997/12/", "2026/2/"])
def test_months_to_the_ends_of_the_calendar_are_shown(page, path):
    assert page.get(f"/agenda/month/{path}").status_code == 200


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("reviser", True),
        ("RÉVISER vlan", True),
        ("salle", True),
        ("reviser jardin", False),
        ("100%", False),
        ("", False),
        ("\x00", False),
    ],
)
def test_search_finds_words_whatever_their_accents(page, add, words, found):
    add("Réviser les VLAN", notes="salle B2.04")
    content = page.get("/agenda/search/", {"q": words}).content.decode()
    assert ("Réviser les VLAN" in content) is found


def test_search_finds_nothing_forgotten_or_foreign(page, add, bob):
    add("needle", left=-timedelta(seconds=1))
    add("needle", owner=bob)
    assert b'class="task"' not in page.get("/agenda/search/", {"q": "needle"}).content


def test_the_day_is_heard_as_one_sound(page, add):
    add("Rendre le TP", left=timedelta(minutes=1))
    response = page.get("/agenda/day/speech.mp3")
    assert (response.status_code, response["Content-Type"]) == (200, "audio/mpeg")
    assert b"<audio" in page.get("/agenda/day/hear/").content


def test_the_day_lives_no_longer_than_its_first_task_and_is_private_with_one(alice, add):
    noon = datetime(2040, 3, 12, 12, tzinfo=UTC)
    alice.voice = "google"
    first = add(deadline_at=noon + timedelta(minutes=1))
    private = add(deadline_at=noon + timedelta(minutes=2), is_private=True)
    asked = {"at": noon, "user": alice, "language": "fr"}
    words = day_utterance(**asked)
    assert (words.expires_at, words.private) == (first.deadline_at, True)
    private.delete()
    assert not day_utterance(**asked).private


@pytest.mark.parametrize("path", ["month/", "search/?q=call", "day/hear/"])
def test_these_screens_ask_few_questions(page, add, django_assert_max_num_queries, path):
    for n in range(30):
        add(f"call {n}")
    with django_assert_max_num_queries(4):
        page.get(f"/agenda/{path}")
    assert Task.objects.count() == 30


def test_the_month_shows_the_next_times_of_a_series(page, alice):
    at = timezone.now()
    deadline_at = timezone.make_aware(datetime(2027, 3, 1, 2, 30))
    given = TaskInput(title="pills", deadline_at=deadline_at, repeat="daily")
    task_add(owner_id=alice.pk, given=given, at=at)
    march = page.get("/agenda/month/2027/3/").content.decode()
    assert march.count("pills") == 35  # the month and the days around it, once each
    assert march.count("is-next") == 34
    assert page.get("/agenda/month/2027/1/").content.decode().count("pills") == 0
    started = thread_time()
    assert page.get("/agenda/month/9997/12/").content.decode().count("pills") == 35
    assert thread_time() - started < 2


def test_one_kept_longer_stands_where_it_is_and_its_series_where_it_was(page, alice):
    at = timezone.now()
    monday = timezone.make_aware(datetime(2027, 3, 1, 18))
    given = TaskInput(title="meet", deadline_at=monday, repeat="weekly")
    task = task_add(owner_id=alice.pk, given=given, at=at)
    task_keep(owner_id=alice.pk, task_id=task.id, seen_at=monday, at=at)
    shown = months.weeks(months.days_of(2027, 3), Task.objects.all(), zone=ZoneInfo("Europe/Paris"))
    days = [day.day.isoformat() for week in shown for day in week if day.entries]
    assert days == [f"2027-03-{day}" for day in ("02", "08", "15", "22", "29")]


def test_search_says_when_there_is_more_than_it_shows(page, add, monkeypatch):
    monkeypatch.setattr("agenda.views.reading.SEARCH_RESULTS_MAX", 2)
    add("bread 1")
    add("bread 2")
    assert "These are the first" not in page.get("/agenda/search/?q=bread").text
    add("bread 3")
    content = page.get("/agenda/search/?q=bread").text
    assert "These are the first 2." in content
    assert content.count('id="task-') == 2


def test_later_days_have_headings_and_what_is_far_is_folded(page, add):
    for days in (12, 12, 13, 40, 90):
        add(f"t{days}", left=timedelta(days=days))
    content = page.get("/agenda").text
    assert content.count('class="group group-day"') == 2
    near, far = content.split("<details")
    assert [near.count(f">t{days}<") for days in (12, 13, 40)] == [2, 1, 0]
    assert "In more than a month: 2 tasks" in far
    assert not far.startswith(" open")
    assert "<details open" in page.get("/agenda/search/?q=t").text


def test_the_list_is_narrowed_to_a_tag_or_a_priority_in_place(page, add):
    add("plain")
    add("tagged", tags=" été ")
    add("urgent", priority=2)
    add("important", priority=1)

    def titles(query):
        content = page.get(f"/agenda?{query}").text
        assert ("All tasks" in content) is bool(query)
        return set(re.findall(r"<h3> ?<a [^>]*>(\w+)<", content))

    assert titles("") == {"plain", "tagged", "urgent", "important"}
    assert titles("tag=ETE") == {"tagged"}
    assert titles("priority=1") == {"urgent", "important"}
    assert titles("priority=2") == {"urgent"}
    assert titles("tag=none") == set()
    assert "Nothing. It may" in page.get("/agenda?tag=none").text
    assert 'aria-current="true">#été' in page.get("/agenda?tag=été").text
    assert len(re.findall("<h3>", page.get("/agenda?priority=x").text)) == 4


NARROWED = "/agenda?tag=%C3%A9t%C3%A9"


@pytest.mark.parametrize(
    ("came_from", "leads_to"),
    [
        (f"http://testserver{NARROWED}", NARROWED),
        ("http://testserver/agenda", "/agenda"),
        ("http://testserver/agenda/month/?tag=x", "/agenda"),
        ("http://elsewhere.example/agenda?tag=x", "/agenda"),
        ("", "/agenda"),
    ],
)
def test_after_an_act_the_list_stays_as_narrow_as_it_was(page, add, came_from, leads_to):
    task = add(tags=" été ")
    kept = {"by": "hour", "seen": task.deadline_at.isoformat()}
    for act in ("keep", "restore", "done", "restore", "remove"):
        where = f"/agenda/tasks/{task.id}/{act}/"
        answer = page.post(where, kept, headers={"Referer": came_from})
        focus = "" if act == "restore" else f"#undo-{task.id}"
        assert (answer.status_code, answer["Location"]) == (302, leads_to + focus), act
    assert "Undo" in page.get(leads_to).text
