"""Forgotten stays forgotten: what was erased is remembered by its id, apart from the database."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Session, User
from accounts.services import account_remove
from agenda import erased
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Lease, Task
from agenda.services import task_remove, task_restore
from tests.app.served import APP

AT = timezone.now()


@pytest.fixture
def journal(tmp_path, settings):
    settings.ERASED_JOURNAL = str(tmp_path)
    return tmp_path


def known():
    out = io.StringIO()
    call_command("agenda_erased", stdout=out)
    return out.getvalue().splitlines()


def forget_again(monkeypatch, lines):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    out = io.StringIO()
    call_command("agenda_forget_again", stdout=out)
    return out.getvalue().strip()


def test_every_erased_task_is_remembered_by_its_id_and_nothing_else(journal, add):
    task = add("a secret wish", deadline_at=AT)
    tasks_forget(at=AT)
    assert known() == [f"agenda.task {task.id}"]
    assert "wish" not in "".join(path.read_text() for path in journal.iterdir())


def test_a_task_taken_away_a_moment_ago_is_listed_before_it_is_erased(journal, add):
    task = add(removed_at=AT)
    assert known() == [f"agenda.task {task.id}"]
    assert list(journal.iterdir()) == []


def test_an_account_that_was_removed_is_remembered(journal, bob):
    identity = bob.pk
    account_remove(bob)
    assert known() == [f"accounts.user {identity}"]


def test_a_restored_backup_does_not_bring_back_what_was_erased(journal, add, bob, monkeypatch):
    kept = add("kept")
    gone, past = add("gone"), add("past", deadline_at=AT - timedelta(seconds=1))
    removed = add("removed", removed_at=AT - UNDO_WINDOW)
    Task.objects.create(owner=bob, title="bob's", deadline_at=AT + timedelta(days=1), created_at=AT)
    Session.objects.create(
        session_key="x", session_data="", expire_date=AT + timedelta(days=1), user=bob
    )
    said = forget_again(
        monkeypatch, [f"agenda.task {gone.id}", f"accounts.user {bob.pk}", "agenda.task 0190cut"]
    )
    assert [task.id for task in Task.objects.all()] == [kept.id]
    assert not User.objects.filter(pk=bob.pk).exists()
    assert Session.objects.count() == 0
    assert said.startswith("erased again: ")
    assert "expired since: 2" in said
    assert {past.id, removed.id}.isdisjoint(Task.objects.values_list("id", flat=True))


def test_days_that_no_backup_reaches_back_to_are_dropped(journal):
    old, young = AT - erased.KEPT - timedelta(days=1), AT - erased.KEPT + timedelta(days=1)
    for day in (old, young):
        erased.note(Task, ["0190aaaa-0000-7000-8000-000000000000"], at=day)
    (journal / "other.ids").write_text("not ours\n")
    assert erased.prune(at=AT) == 1
    assert sorted(path.name for path in journal.iterdir()) == sorted(
        [f"{young.astimezone(erased.UTC):%Y-%m-%d}.ids", "other.ids"]
    )


def test_a_full_disk_does_not_keep_a_task_from_being_forgotten(settings, add, caplog):
    settings.ERASED_JOURNAL = "/dev/full"  # no folder: writing below it fails
    add(deadline_at=AT)
    assert tasks_forget(at=AT).tasks == 1
    assert Task.objects.count() == 0


def test_without_a_journal_nothing_is_written(settings, add):
    settings.ERASED_JOURNAL = ""
    add(deadline_at=AT)
    assert tasks_forget(at=AT).tasks == 1
    assert known() == []


def test_a_restored_series_goes_on_unless_its_last_task_was_erased():
    first, second, third = (f"0190aaaa-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
    chain = [f"agenda.task {first} {second}", f"agenda.task {second} {third}"]
    goes_on = erased.fates(chain)
    assert (goes_on.ended, goes_on.erased["agenda.task"]) == ({first, second}, set())
    over = erased.fates([*chain, f"agenda.task {third}"])
    assert (over.ended, over.erased["agenda.task"]) == (set(), {first, second, third})
    waiting = erased.fates([*chain, f"agenda.task {third} next"])
    assert waiting.ended == {first, second, third}
    circle = erased.fates([f"agenda.task {first} {second}", f"agenda.task {second} {first}"])
    assert circle.ended == {first, second}


def test_a_repeating_task_that_passed_comes_again_after_a_restore(journal, add, monkeypatch):
    moment = AT + timedelta(hours=1)
    series = {"repeat": "daily", "repeat_from": moment.date(), "repeat_time": moment.time()}
    task = add("every day", deadline_at=moment, **series)
    before = Task.objects.get(pk=task.pk)
    tasks_forget(at=moment)
    lines = known()
    assert lines[0].startswith(f"agenda.task {task.id} ")
    Task.objects.all().delete()
    before.save(force_insert=True)  # as the backup had it
    forget_again(monkeypatch, lines)
    after = Task.objects.get()
    assert after.id != task.id
    assert after.title == "every day"
    assert after.deadline_at > moment


MOMENT = AT + timedelta(hours=1)
# The purge of another process, which ends without a word once it has noted what comes after what.
DIE_AFTER_NOTING = """
import os, signal, sys
from datetime import datetime
import django
django.setup()
from agenda import erased, forgetting
note_series = erased.note_series
def die(*args, **options):
    note_series(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
erased.note_series = die
forgetting.tasks_forget(at=datetime.fromisoformat(sys.argv[1]))
"""


@pytest.fixture
def series(add):
    return add("every day", **daily(MOMENT))


def daily(moment):
    wall = timezone.localtime(moment)
    return {
        "deadline_at": moment,
        "repeat": "daily",
        "repeat_from": wall.date(),
        "repeat_time": wall.time(),
    }


def purge_rolled_back(monkeypatch, at):
    """The purge notes, and its transaction comes to nothing."""

    def die(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Task.objects, "bulk_create", die)
        tasks_forget(at=at)


def as_the_backup_had(*tasks):
    Task.objects.all().delete()
    for task in tasks:
        task.save(force_insert=True)


def end(task, at):
    """Its owner takes a task of a series away, for good."""
    assert task_remove(owner_id=task.owner_id, task_id=task.id, at=at, for_good=True)
    tasks_forget(at=at + max(UNDO_WINDOW, timedelta(hours=2)))


def test_a_purge_that_is_rolled_back_and_repeated_notes_one_successor(journal, series, monkeypatch):
    purge_rolled_back(monkeypatch, MOMENT)
    assert len(known()) == 1
    tasks_forget(at=MOMENT)
    assert Task.objects.count() == 1
    assert len(set(known())) == 1
    assert str(Task.objects.get().id) in known()[0]


@pytest.mark.django_db(transaction=True)
def test_a_purge_killed_once_it_has_noted_loses_nothing(mariadb, journal, series):
    environment = os.environ | {
        "PYTHONPATH": f"{APP}:{APP.parent}",
        "AGENDA_DATABASE_NAME": connection.settings_dict["NAME"],
        "AGENDA_ERASED_JOURNAL": str(journal),
    }
    killed = subprocess.run(
        [sys.executable, "-c", DIE_AFTER_NOTING, MOMENT.isoformat()],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [task.id for task in Task.objects.all()] == [series.id]
    noted = known()
    assert noted[0].startswith(f"agenda.task {series.id} ")

    assert tasks_forget(at=MOMENT).is_elsewhere
    Lease.objects.update(until=timezone.now())  # as after twenty seconds
    assert not tasks_forget(at=MOMENT).is_elsewhere
    assert set(known()) == set(noted)
    assert str(Task.objects.get().id) in noted[0]


def test_a_series_of_which_the_purge_was_rolled_back_goes_on_after_a_restore(
    journal, series, monkeypatch
):
    purge_rolled_back(monkeypatch, MOMENT)
    forget_again(monkeypatch, known())
    assert Task.objects.get().deadline_at > MOMENT


@pytest.mark.parametrize("hosts", ["one after the other", "in another order"])
def test_a_series_that_its_owner_ended_does_not_come_back_although_a_purge_was_rolled_back(
    journal, series, monkeypatch, hosts
):
    before = Task.objects.get()
    purge_rolled_back(monkeypatch, MOMENT)
    tasks_forget(at=MOMENT)
    end(Task.objects.get(), MOMENT)
    lines = known() if hosts == "one after the other" else known()[::-1]
    as_the_backup_had(before)
    forget_again(monkeypatch, lines)
    assert not Task.objects.exists()


def test_a_series_that_was_ended_after_a_purge_was_rolled_back_does_not_come_back(
    journal, series, monkeypatch
):
    before = Task.objects.get()
    purge_rolled_back(monkeypatch, MOMENT)
    end(series, AT)  # on a host whose clock is behind
    as_the_backup_had(before)
    forget_again(monkeypatch, known())
    assert not Task.objects.exists()


def test_a_series_that_was_restored_and_then_ended_does_not_come_back_with_the_same_backup(
    journal, series, monkeypatch
):
    before = Task.objects.get()
    tasks_forget(at=MOMENT)
    tasks_forget(at=Task.objects.get().deadline_at)
    as_the_backup_had(before)
    forget_again(monkeypatch, known())
    end(Task.objects.get(), timezone.now())
    as_the_backup_had(before)
    forget_again(monkeypatch, known())
    assert not Task.objects.exists()


def test_of_journals_with_two_successors_one_that_was_erased_ends_the_series():
    """An earlier release noted a second one after a purge that was rolled back."""
    first, second, third = (f"0190aaaa-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
    lines = [f"agenda.task {first} {second}", f"agenda.task {first} {third}"]
    assert erased.fates(lines).ended == {first}
    for noted in (lines, lines[::-1]):
        over = erased.fates([*noted, f"agenda.task {third}"])
        assert (over.ended, over.erased["agenda.task"]) == (set(), {first, third})


def test_a_series_goes_on_after_a_restore_where_its_last_task_stayed_for_a_grace(
    journal, series, monkeypatch, settings
):
    settings.GRACE_S = 3600
    before = Task.objects.get()
    tasks_forget(at=MOMENT)
    tasks_forget(at=MOMENT + timedelta(hours=1))
    assert [line.split()[1] for line in known()] == 2 * [str(series.id)]
    as_the_backup_had(before)
    forget_again(monkeypatch, known())
    assert Task.objects.live(at=timezone.now()).get().repeat == "daily"


def test_one_brought_back_within_the_grace_that_repeats_anew_has_another_successor(
    journal, series, settings
):
    settings.GRACE_S = 3 * 24 * 3600
    assert task_remove(owner_id=series.owner_id, task_id=series.id, at=AT)
    tasks_forget(at=AT + UNDO_WINDOW)
    assert task_restore(owner_id=series.owner_id, task_id=series.id, at=AT + UNDO_WINDOW) == MOMENT
    Task.objects.filter(id=series.id).update(**daily(MOMENT))
    tasks_forget(at=MOMENT)
    assert Task.objects.filter(repeat="daily").count() == 2
