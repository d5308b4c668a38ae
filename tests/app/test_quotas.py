"""What one account may hold: counted in the database, said before it is full."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone, translation

from accounts.models import User
from accounts.services import account_create
from agenda.models import Task
from agenda.services import TaskInput, task_add, task_edit


@pytest.fixture(autouse=True)
def in_english():
    """Whatever language an earlier test left on."""
    with translation.override("en"):
        yield


def given(title="x", notes=""):
    deadline_at = timezone.now() + timedelta(days=1)
    return TaskInput(title=title, notes=notes, deadline_at=deadline_at)


def adding(owner, **words):
    return task_add(owner_id=owner.pk, given=given(**words), at=timezone.now())


def test_one_task_too_many_is_refused_and_says_why(alice, bob, settings):
    settings.MOST_TASKS = 2
    for _ in range(2):
        adding(alice)
    with pytest.raises(ValidationError, match="at most 2 tasks"):
        adding(alice)
    assert Task.objects.of(alice.pk).count() == 2
    adding(bob)


def test_a_drill_adds_without_end(alice, settings):
    settings.MOST_TASKS = 0
    User.objects.update(is_probe=True)
    assert adding(alice)


def test_more_bytes_than_there_is_room_for_are_refused_however_they_come(alice, settings):
    settings.MOST_KIB = 1
    task = adding(alice, notes="x" * 1000)
    with pytest.raises(ValidationError, match="1 KiB"):
        adding(alice, notes="é" * 20)
    with pytest.raises(ValidationError, match="1 KiB"):
        task_edit(task=task, given=given(notes="x" * 1050), at=timezone.now())
    task.refresh_from_db()
    assert (Task.objects.count(), len(task.notes)) == (1, 1000)


def test_who_holds_too_much_since_the_limit_is_lower_can_still_make_it_less(alice, settings):
    task = adding(alice, notes="x" * 3000)
    settings.MOST_KIB = 1
    assert task_edit(task=task, given=given(notes="x" * 2000), at=timezone.now())


def test_the_last_task_sent_twice_is_still_one_task(alice, settings):
    settings.MOST_TASKS = 1
    same = {"given": given(), "owner_id": alice.pk, "identity": Task().id, "at": timezone.now()}
    assert task_add(**same).id == task_add(**same).id


@pytest.mark.django_db(transaction=True)
def test_of_twenty_tasks_at_once_as_many_are_added_as_there_is_room_for(settings):
    settings.MOST_TASKS = 5
    alice = account_create(username="alice", password="a long enough password")
    together = threading.Barrier(20)

    def add(_):
        try:
            together.wait(timeout=30)
            adding(alice)
        except ValidationError:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(add, range(20))) == 5
    assert Task.objects.count() == 5


def test_the_agenda_says_when_nine_tenths_are_taken(page, add, settings):
    settings.MOST_TASKS = 10
    for _ in range(8):
        add()
    assert "of 10 tasks" not in page.get("/agenda").content.decode()
    add()
    assert "9 of 10 tasks" in page.get("/agenda").content.decode()


def test_the_agenda_says_when_the_words_are_nearly_too_many(page, add, settings):
    settings.MOST_KIB = 1
    add(notes="é" * 470)
    assert "of 1 KiB" in page.get("/agenda").content.decode()


def test_the_form_says_that_there_is_no_room(page, add, settings):
    settings.MOST_TASKS = 1
    add()
    form = {"title": "one more", "deadline_at": "2090-01-01T10:00", "priority": "0"}
    answer = page.post("/agenda/tasks/new/", form)
    assert answer.status_code == 422
    assert "at most 1 task" in answer.content.decode()
