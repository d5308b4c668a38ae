"""Keep longer: one more day, once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from agenda.calendar import calendar
from agenda.clock import one_day_later
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Task
from agenda.services import TaskInput, task_add, task_done, task_edit, task_keep, task_restore

PARIS = ZoneInfo("Europe/Paris")


def test_keeping_adds_a_day_and_sent_twice_still_one(page, add):
    task = add()
    menu = page.get(f"/agenda/tasks/{task.id}/?menu").text
    shown = re.search(r'name="seen" value="([^"]+)"', menu)
    assert task.deadline_at.microsecond  # what the page shows must be exact
    address, seen = f"/agenda/tasks/{task.id}/keep/", {"seen": shown[1]}
    assert [page.post(address, seen).status_code for _ in range(2)] == [302, 302]
    kept = Task.objects.get().deadline_at
    assert timedelta(hours=23) <= kept - task.deadline_at <= timedelta(hours=25)


@pytest.mark.parametrize("seen", ["", "soon", "2026-01-01T00:00:00+00:00", "0001-01-01T00:00:00"])
def test_keeping_what_was_never_seen_is_404(page, add, seen):
    task = add()
    response = page.post(f"/agenda/tasks/{task.id}/keep/", {"seen": seen})
    assert response.status_code == 404
    assert Task.objects.get().deadline_at == task.deadline_at


def test_nobody_keeps_anothers_task(page, add, bob):
    task = add(owner=bob)
    seen = {"seen": task.deadline_at.isoformat()}
    assert page.post(f"/agenda/tasks/{task.id}/keep/", seen).status_code == 404


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (datetime(2026, 3, 28, 18, tzinfo=PARIS), datetime(2026, 3, 29, 18, tzinfo=PARIS)),
        (datetime(2026, 3, 28, 2, 30, tzinfo=PARIS), datetime(2026, 3, 29, 3, 30, tzinfo=PARIS)),
        (datetime(2026, 10, 24, 18, tzinfo=PARIS), datetime(2026, 10, 25, 18, tzinfo=PARIS)),
    ],
)
def test_a_day_is_a_day_on_the_wall_over_both_clock_changes(before, after):
    assert one_day_later(before, zone=PARIS) == after.astimezone(UTC)


def undo_notices(page):
    return re.findall(r'class="notice undo".*?</form>', page.get("/agenda").text, re.DOTALL)


@pytest.mark.parametrize("by", ["hour", "day", "monday", "date", None])
def test_later_moves_a_deadline_and_undo_moves_it_back(page, add, by):
    task = add("pay rent", left=timedelta(days=3))
    until = task.deadline_at + timedelta(days=9)
    local = timezone.localtime(until)
    sent = {"seen": task.deadline_at.isoformat(), "until": f"{local:%Y-%m-%dT%H:%M}"}
    sent |= {"by": by} if by else {}
    assert page.post(f"/agenda/tasks/{task.id}/keep/", sent).status_code == 302
    moved = Task.objects.get()
    assert moved.deadline_at > task.deadline_at
    if by == "date":
        assert moved.deadline_at == until.replace(second=0, microsecond=0)
    (notice,) = undo_notices(page)
    assert "Later: “pay rent”, until" in notice
    for _ in range(2):
        assert page.post(f"/agenda/tasks/{task.id}/restore/").status_code == 302
        assert Task.objects.get().deadline_at == task.deadline_at
    assert undo_notices(page) == []


@pytest.mark.parametrize(
    ("until", "sentences"),
    [
        ("2026-01-01T10:00", ["is not later than its deadline", "Choose a later moment."]),
        ("", ["Say until when."]),
        ("soon", ["Write a date and a time"]),
    ],
)
def test_a_date_that_is_not_later_comes_back_with_what_is_wrong(page, add, until, sentences):
    task = add()
    sent = {"seen": task.deadline_at.isoformat(), "by": "date", "until": until}
    answer = page.post(f"/agenda/tasks/{task.id}/keep/", sent)
    field = re.search('<input[^>]*id="later-until"[^>]*>', answer.text)[0]
    assert answer.status_code == 422
    assert "Error:" in re.search("<title>.*?</title>", answer.text, re.DOTALL)[0]
    for part in (f'value="{until}"' * bool(until), "autofocus", 'aria-invalid="true"'):
        assert part in field
    (described,) = re.findall('aria-describedby="(.*?)"', field)
    lines = re.search(f'id="{described}">(.*?)</p>', answer.text, re.DOTALL)[1].split("<br>")
    assert len(lines) == len(sentences)
    assert all(sentence in line for sentence, line in zip(sentences, lines, strict=True))
    assert Task.objects.get().deadline_at == task.deadline_at


def test_the_undo_of_later_is_over_after_a_minute_or_when_its_old_deadline_has_come(alice, add):
    for left in (timedelta(hours=1), timedelta(seconds=20)):
        task = add(left=left)
        at = task.created_at
        asked = {"owner_id": alice.pk, "task_id": task.id}
        assert task_keep(**asked, seen_at=task.deadline_at, at=at)
        task.refresh_from_db()
        over = min(at + UNDO_WINDOW, at + left)
        assert task.undo_until() == over
        assert task_restore(**asked, at=over) is None
        assert task_restore(**asked, at=over - timedelta(seconds=1)) == at + left


def test_a_change_after_later_is_not_undone(alice, add):
    task = add("pay rent")
    asked = {"owner_id": alice.pk, "task_id": task.id, "at": task.created_at}
    assert task_keep(**asked, seen_at=task.deadline_at)
    task.refresh_from_db()
    given = TaskInput(title="pay the rent", deadline_at=task.deadline_at)
    assert task_edit(task=task, given=given, at=task.created_at)
    assert task_restore(**asked) is None
    assert Task.objects.get().title == "pay the rent"


def test_done_is_said_and_undone_like_a_removal(page, add):
    task = add("hand in")
    for _ in range(2):
        after = page.post(f"/agenda/tasks/{task.id}/done/", follow=True).text
        assert "Done: “hand in”." in after
        assert f'id="task-{task.id}"' not in after
    after = page.post(f"/agenda/tasks/{task.id}/restore/", follow=True).text
    assert f'id="task-{task.id}"' in after
    page.post(f"/agenda/tasks/{task.id}/remove/")
    assert "Removed: “hand in”." in undo_notices(page)[0]


def test_done_and_later_touch_one_occurrence_of_a_series(alice):
    at = datetime(2026, 11, 30, 12, tzinfo=PARIS)
    first = datetime(2026, 11, 30, 18, tzinfo=PARIS)
    given = TaskInput(title="pills", deadline_at=first, repeat="daily")
    task = task_add(owner_id=alice.pk, given=given, at=at)
    assert task_done(owner_id=alice.pk, task_id=task.id, at=at)
    tasks_forget(at=at + UNDO_WINDOW)
    again = Task.objects.get()
    assert again.deadline_at == first + timedelta(days=1)
    assert (again.is_done, again.moved_from, again.changed_at) == (False, None, at + UNDO_WINDOW)
    hour = again.deadline_at + timedelta(hours=1)
    asked = {"owner_id": alice.pk, "task_id": again.id, "seen_at": again.deadline_at}
    assert task_keep(**asked, until=hour, at=at + UNDO_WINDOW)
    assert b"RECURRENCE-ID" in feed(alice)
    tasks_forget(at=hour)
    assert Task.objects.get().deadline_at == first + timedelta(days=2)
    assert b"RECURRENCE-ID" not in feed(alice)


def feed(owner):
    tasks = Task.objects.of(owner.pk)
    return b"".join(calendar(tasks, name="a", zone=PARIS, is_repeating=True))


@pytest.mark.parametrize("act", ["done", "remove", "end", "restore", "keep"])
def test_a_late_click_gets_a_sentence(page, add, act):
    task = add(left=timedelta(0))
    answer = page.post(f"/agenda/tasks/{task.id}/{act}/", {"seen": task.deadline_at.isoformat()})
    assert answer.status_code == 404
    assert "Too late for that" in answer.text
    assert "address is wrong" not in answer.text


def test_the_edit_page_and_its_menu_offer_what_the_row_does(page, add):
    task = add("call", left=timedelta(days=2))
    for path in (f"/agenda/tasks/{task.id}/", f"/agenda/tasks/{task.id}/?menu"):
        content = page.get(path).text
        for act in ("done", "remove", "keep", "hear"):
            assert f"/agenda/tasks/{task.id}/{act}/" in content
        assert 'value="monday"' in content
        assert ("<html" in content) is ("menu" not in path)
