"""AGENDA_GRACE: forgotten at the deadline all the same, but restorable for a while."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Task, forgetting_lag
from agenda.services import TaskInput, task_add
from speech import services as speech

AT = timezone.now()
TICK = timedelta(microseconds=1)
GRACE = timedelta(hours=2)
RECENT = "/agenda/recent/"


@pytest.fixture(autouse=True)
def grace(settings):
    settings.GRACE_S = int(GRACE.total_seconds())


@pytest.fixture
def spread(add):
    """A task on each side of every boundary, named by what it is at AT."""
    for title, left, removed_at in [
        ("live", TICK, None),
        ("recent", timedelta(0), None),
        ("recent 2", TICK - GRACE, None),
        ("past", -GRACE, None),
        ("restorable", timedelta(days=1), AT - UNDO_WINDOW + TICK),
        ("removed, recent", timedelta(days=1), AT - GRACE + TICK),
        ("removed, long ago", timedelta(days=1), AT - GRACE),
        ("removed and past, recent", timedelta(0), AT - UNDO_WINDOW),
    ]:
        add(title, deadline_at=AT + left, removed_at=removed_at)


def titles(query):
    return {task.title for task in query}


def test_every_task_is_live_recent_or_forgotten_for_good(spread):
    tasks = Task.objects
    assert titles(tasks.live(at=AT)) == {"live"}
    assert titles(tasks.recent(at=AT)) == {
        *("recent", "recent 2", "restorable", "removed, recent", "removed and past, recent"),
    }
    assert titles(tasks.forgotten(at=AT)) == {"past", "removed, long ago"}


def test_exactly_what_is_past_the_grace_is_erased(spread):
    assert tasks_forget(at=AT).tasks == 2
    assert not Task.objects.forgotten(at=AT).exists()
    assert Task.objects.count() == 6


def test_the_lag_counts_from_the_end_of_the_grace(add):
    add(deadline_at=AT - GRACE + TICK)
    assert forgetting_lag(at=AT) == timedelta(0)
    assert forgetting_lag(at=AT + timedelta(seconds=9)) == timedelta(seconds=9) - TICK


def test_the_words_are_on_no_other_page(page, add):
    task = add("needle in hay", left=-timedelta(seconds=1))
    for path in ("", "search/?q=needle", "month/", "day/hear/"):
        assert b"in hay" not in page.get(f"/agenda/{path}").content
    assert page.get(f"/agenda/tasks/{task.id}/").status_code == 404
    assert page.get(f"/agenda/tasks/{task.id}/speech.mp3").status_code == 404
    assert b"needle" in page.get(RECENT).content


def test_audio_is_erased_at_the_deadline_not_at_the_end_of_the_grace(page, add, alice):
    task = add("loud", left=timedelta(minutes=5))
    assert page.get(f"/agenda/tasks/{task.id}/speech.mp3").status_code == 200
    assert speech.erase_expired(at=task.deadline_at) == 1


def test_a_forgotten_one_comes_back_until_tomorrow_at_its_own_time(page, add):
    task = add("needle", left=-timedelta(minutes=30), announced=3)
    before = timezone.localtime(task.deadline_at)
    content = page.post(f"/agenda/tasks/{task.id}/restore/", follow=True).content.decode()
    assert "It is back, until" in content
    assert "needle" in content
    task.refresh_from_db()
    assert task.announced < 3
    back = timezone.localtime(task.deadline_at)
    assert (back.hour, back.minute) == (before.hour, before.minute)
    assert back.date() == timezone.localtime().date() + timedelta(days=1)
    # A second click means the same, and not another day.
    assert page.post(f"/agenda/tasks/{task.id}/restore/")["Location"] == "/agenda"
    task.refresh_from_db()
    assert timezone.localtime(task.deadline_at) == back


def test_a_removed_one_comes_back_with_its_own_deadline(page, add):
    task = add("needle", removed_at=timezone.now() - timedelta(minutes=30))
    assert b"needle" not in page.get("/agenda").content
    page.post(f"/agenda/tasks/{task.id}/restore/")
    restored = Task.objects.live(at=timezone.now()).get()
    assert restored.deadline_at == task.deadline_at


def test_after_the_grace_nothing_comes_back(page, add):
    task = add("needle", left=-GRACE)
    assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 404
    assert b"needle" not in page.get(RECENT).content


def test_nobody_sees_or_restores_anothers(page, add, bob):
    task = add("needle", left=-timedelta(minutes=1), owner=bob)
    assert b"needle" not in page.get(RECENT).content
    assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 404


def test_without_a_grace_there_is_no_such_page(page, add, settings):
    settings.GRACE_S = 0
    task = add("needle", left=-timedelta(seconds=1))
    assert page.get(RECENT).status_code == 404
    assert RECENT.encode() not in page.get("/agenda").content
    assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 404


def test_a_series_goes_on_at_the_deadline_and_not_at_the_end_of_the_grace(alice):
    given = TaskInput(title="pills", deadline_at=AT, repeat="daily")
    task_add(owner_id=alice.pk, given=given, at=AT - timedelta(hours=3))
    for _ in range(2):
        assert tasks_forget(at=AT).tasks == 0
    assert Task.objects.recent(at=AT).get().repeat == ""
    assert Task.objects.live(at=AT).get().repeat == "daily"
    assert tasks_forget(at=AT + GRACE).tasks == 1
    assert Task.objects.get().repeat == "daily"


def test_a_forgotten_one_of_a_series_that_comes_back_is_a_task_of_its_own(page, alice):
    at = timezone.now()
    given = TaskInput(title="pills", deadline_at=at, repeat="daily")
    task = task_add(owner_id=alice.pk, given=given, at=at - timedelta(hours=3))
    tasks_forget(at=at)
    page.post(f"/agenda/tasks/{task.id}/restore/")
    assert sorted(Task.objects.live(at=at).values_list("repeat", flat=True)) == ["", "daily"]


@pytest.mark.parametrize("tasks", [0, 40])
def test_the_page_asks_the_same_few_questions(page, add, django_assert_max_num_queries, tasks):
    for n in range(tasks):
        add(f"t{n}", left=-timedelta(minutes=1))
    with django_assert_max_num_queries(3):
        assert page.get(RECENT).content.count(b'class="task"') == tasks


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "Within a minute a clock erases it"),
        (2 * 3600, "For 2 hours you alone"),
        (24 * 3600, "For 1 day you alone"),
        (5400, "For 90 minutes you alone"),
        (45, "For 45 seconds you alone"),
    ],
)
def test_the_about_page_says_how_long(client, settings, seconds, said):
    settings.GRACE_S = seconds
    content = client.get("/agenda/about/", HTTP_ACCEPT_LANGUAGE="en").content.decode()
    assert said in content


@pytest.mark.parametrize(
    ("days", "said"), [(14, "from moment to moment, for 14 days"), (0, "for a limited time")]
)
def test_the_about_page_says_how_long_backups_are_kept(client, settings, days, said):
    settings.BACKUP_DAYS = days
    content = client.get("/agenda/about/", HTTP_ACCEPT_LANGUAGE="en").content.decode()
    assert said in content
