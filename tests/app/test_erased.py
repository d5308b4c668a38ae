"""Forgotten stays forgotten: what was erased is remembered by its id, apart from the database."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Session, User
from accounts.services import account_remove
from agenda import erased
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Task

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
