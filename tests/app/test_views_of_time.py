"""The month, the day as one sound, and search."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agenda.models import Task
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
    at = timezone.now()
    alice.voice = "google"
    tasks = [add(left=timedelta(minutes=1)), add(left=timedelta(minutes=2), is_private=True)]
    end = at + timedelta(hours=1)
    words = day_utterance(tasks, at=at, ends_at=end, user=alice, language="fr")
    assert (words.expires_at, words.private) == (tasks[0].deadline_at, True)
    words = day_utterance(tasks[:1], at=at, ends_at=end, user=alice, language="fr")
    assert not words.private


@pytest.mark.parametrize("path", ["month/", "search/?q=call", "day/hear/"])
def test_these_screens_ask_few_questions(page, add, django_assert_max_num_queries, path):
    for n in range(30):
        add(f"call {n}")
    with django_assert_max_num_queries(4):
        page.get(f"/agenda/{path}")
    assert Task.objects.count() == 30
