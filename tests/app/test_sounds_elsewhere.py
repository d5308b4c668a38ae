"""Sounds go with their words on every host, not only on the one where the words were changed."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.services import account_remove
from agenda import spoken
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Task
from agenda.services import TaskInput, task_edit, task_keep, task_remove

AT = timezone.now()


@pytest.fixture
def elsewhere(page, alice, settings, tmp_path):
    """Another host on the same database: it hears tasks, and its timer ticks. Midnight is hours
    away there, so that what is due in a few minutes is due today.
    """
    zones = ("Europe/Paris", "Asia/Tokyo", "America/Los_Angeles")
    alice.time_zone = next(zone for zone in zones if AT.astimezone(ZoneInfo(zone)).hour < 20)
    alice.save()
    return Host(page, settings, tmp_path)


class Host:
    def __init__(self, page, settings, folder):
        self.page, self.settings, self.folder = page, settings, folder

    def hear(self, *tasks):
        paths = [*(f"tasks/{task.id}" for task in tasks), "day"]
        self._here(lambda: [self._heard(path) for path in paths])
        return self.sounds()

    def _heard(self, path):
        assert self.page.get(f"/agenda/{path}/speech.mp3").status_code == 200

    def tick(self):
        out, err = StringIO(), StringIO()
        self._here(lambda: call_command("agenda_expire", stdout=out, stderr=err))
        return out.getvalue(), err.getvalue()

    def sounds(self):
        return {path.name for path in self.folder.glob("*.mp3")}

    def _here(self, work):
        there = self.settings.AGENDA_SPEECH_CACHE
        self.settings.AGENDA_SPEECH_CACHE = self.folder
        try:
            work()
        finally:
            self.settings.AGENDA_SPEECH_CACHE = there


def edit(task, **changes):
    words = {"title": task.title, "deadline_at": task.deadline_at} | changes
    assert task_edit(task=task, given=TaskInput(**words), at=AT)


def remove(task):
    assert task_remove(owner_id=task.owner_id, task_id=task.id, at=timezone.now())


def purge(task):
    remove(task)
    tasks_forget(at=timezone.now() + UNDO_WINDOW)
    assert not Task.objects.filter(id=task.id).exists()


def keep(task):
    assert task_keep(owner_id=task.owner_id, task_id=task.id, seen_at=task.deadline_at, at=AT)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda task: edit(task, title="other words"), id="other words"),
        pytest.param(
            lambda task: edit(task, deadline_at=task.deadline_at - timedelta(minutes=1)),
            id="another deadline",
        ),
        pytest.param(lambda task: edit(task, priority=2), id="urgent now"),
        pytest.param(lambda task: edit(task, is_private=True), id="private now"),
        pytest.param(keep, id="kept for a day more"),
        pytest.param(remove, id="taken away"),
        pytest.param(purge, id="erased"),
        pytest.param(lambda task: account_remove(task.owner), id="its account removed"),
    ],
)
def test_what_is_changed_here_is_not_heard_elsewhere_after_the_next_tick(add, elsewhere, change):
    task = add("a secret wish", left=timedelta(minutes=5))
    assert len(elsewhere.hear(task)) == 2  # and the day, which says it too

    change(task)

    assert elsewhere.tick()[0].startswith("erased: tasks 0, audio 2,")
    assert elsewhere.sounds() == set()


def test_what_is_as_it_was_stays_and_so_does_what_says_no_words_of_a_task(add, elsewhere):
    task, other = add("bread", left=timedelta(minutes=5)), add("milk", left=timedelta(days=3))
    only_bread = elsewhere.hear(task)
    assert elsewhere.tick() == ("", "")
    kept = elsewhere.hear(other) - only_bread

    edit(task, title="cake")
    elsewhere.tick()

    assert elsewhere.sounds() == kept


def test_notes_are_not_spoken_and_erase_nothing_elsewhere(add, elsewhere):
    task = add("bread", left=timedelta(minutes=5))
    heard = elsewhere.hear(task)
    edit(task, notes="the dark one")
    assert elsewhere.tick() == ("", "")
    assert elsewhere.sounds() == heard


def test_a_host_without_sounds_asks_nothing(db, elsewhere, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert spoken.erase_changed() == 0


def test_however_many_sounds_lie_there_few_questions_are_asked(
    add, elsewhere, django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr(spoken, "TASKS_A_QUESTION", 2)
    tasks = [add(str(number)) for number in range(3)]
    elsewhere.hear(*tasks)
    with django_assert_num_queries(2):
        elsewhere._here(spoken.erase_changed)


def test_where_the_database_does_not_answer_a_rest_servers_sounds_go_at_their_deadline(
    add, elsewhere, settings, monkeypatch
):
    due, later = add("due", left=timedelta(seconds=30)), add("later", left=timedelta(days=2))
    elsewhere.hear(due, later)
    edit(later, title="other words")
    settings.IS_WEB = False

    def refuse(*args, **options):
        raise OperationalError(2002, "Can't connect")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", refuse)
        patched.setattr("django.utils.timezone.now", lambda: due.deadline_at)
        out, err = elsewhere.tick()
    assert out.startswith("erased: audio ")
    assert len(elsewhere.sounds()) == 1
    assert err.splitlines() == [
        "sounds go at their deadline alone, the database cannot be used: Can't connect",
        "  Next: see why in the database's log; the next run asks again",
    ]

    assert elsewhere.tick() == ("erased: audio 1\n", "")
