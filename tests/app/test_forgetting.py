"""Forgetting: invisible at the instant, erased soon after; harmless to repeat, kill, run twice."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Session
from agenda import forgetting, leases, pace
from agenda.forgetting import tasks_forget
from agenda.leases import leased
from agenda.models import UNDO_WINDOW, Lease, Task
from agenda.pace import Pace
from speech import services as speech

AT = timezone.now()
TICK = timedelta(microseconds=1)


@pytest.fixture
def spread(add):
    """A task on each side of every boundary, named by what it is at AT."""
    for title, left, removed_at in [
        ("live", TICK, None),
        ("past", timedelta(0), None),
        ("long past", -timedelta(days=9), None),
        ("restorable", timedelta(days=1), AT - UNDO_WINDOW + TICK),
        ("removed", timedelta(days=1), AT - UNDO_WINDOW),
        ("removed and past", timedelta(0), AT),
    ]:
        add(title, deadline_at=AT + left, removed_at=removed_at)


def titles(query):
    return {task.title for task in query}


def test_live_restorable_and_forgotten_split_all_tasks_in_three(spread):
    tasks = Task.objects
    assert titles(tasks.live(at=AT)) == {"live"}
    assert titles(tasks.restorable(at=AT)) == {"restorable"}
    assert titles(tasks.shown(at=AT)) == {"live", "restorable"}
    assert titles(tasks.forgotten(at=AT)) == {"past", "long past", "removed", "removed and past"}


def test_due_is_from_its_beginning_to_just_before_its_end(add):
    for title, at in (
        ("early", AT - TICK),
        ("begin", AT),
        ("last", AT + TICK),
        ("end", AT + 2 * TICK),
    ):
        add(title, deadline_at=at)
    span = {"since": AT, "until": AT + 2 * TICK}
    assert titles(Task.objects.due(**span)) == {"begin", "last"}
    assert titles(Task.objects.due_or_repeating(**span)) == {"begin", "last"}


def test_exactly_what_is_forgotten_is_erased(spread):
    assert tasks_forget(at=AT).tasks == 4
    assert titles(Task.objects.all()) == {"live", "restorable"}


def test_forgetting_again_does_nothing(spread):
    tasks_forget(at=AT)
    assert tasks_forget(at=AT) == forgetting.Forgotten(tasks=0, is_elsewhere=False)


def test_more_than_a_chunk_is_erased_in_chunks(add, alice, django_assert_max_num_queries):
    rows = 2 * pace.CHUNK_ROWS + 1
    Task.objects.bulk_create(
        Task(owner=alice, title="t", deadline_at=AT, created_at=AT) for _ in range(rows)
    )
    # Whether anything is due; lease, three chunks (each told to listening pages; twice it is asked
    # who else is there), three empty ones, and the lease is given back.
    with django_assert_max_num_queries(28):
        assert tasks_forget(at=AT).tasks == rows
    assert not Task.objects.exists()


def test_after_each_full_chunk_others_have_their_turn(add, monkeypatch):
    monkeypatch.setattr(pace, "CHUNK_ROWS", 2)
    for number in range(5):
        add(str(number), deadline_at=AT)
    left = []
    monkeypatch.setattr(Pace, "rest", lambda _: left.append(Task.objects.count()))

    tasks_forget(at=AT)

    assert left == [3, 1]


def test_a_clock_that_jumped_back_erases_nothing_early(spread):
    assert tasks_forget(at=AT - timedelta(days=10)).tasks == 0
    assert Task.objects.count() == 6


def test_audio_of_what_is_erased_is_forgotten(spread, monkeypatch):
    forgotten = []
    monkeypatch.setattr(speech, "forget_all", forgotten.extend)
    past = {str(pk) for pk in Task.objects.forgotten(at=AT).values_list("id", flat=True)}
    tasks_forget(at=AT)
    assert past <= set(forgotten)


def test_a_run_that_is_killed_leaves_whole_chunks_and_the_next_one_finishes(alice, monkeypatch):
    monkeypatch.setattr(pace, "CHUNK_ROWS", 2)
    Task.objects.bulk_create(
        Task(owner=alice, title="t", deadline_at=AT, created_at=AT) for _ in range(5)
    )

    def die(subjects):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(speech, "forget_all", die)
        tasks_forget(at=AT)
    assert Task.objects.count() == 3
    assert tasks_forget(at=AT).tasks == 3


def test_two_runs_at_once_leave_the_work_to_one(add):
    add(deadline_at=AT)
    with leased(forgetting.LEASE, for_s=60) as lease:
        assert lease is not None
        assert tasks_forget(at=AT) == forgetting.Forgotten(tasks=0, is_elsewhere=True)
        assert Task.objects.count() == 1
    assert tasks_forget(at=AT).tasks == 1
    assert not Lease.objects.exists()


def test_at_rest_it_asks_two_questions_and_writes_nothing(spread, django_assert_num_queries):
    tasks_forget(at=AT)
    with django_assert_num_queries(2) as asked:
        assert tasks_forget(at=AT).tasks == 0
    assert {one["sql"].split()[0] for one in asked} == {"SELECT"}


def test_a_lease_of_one_that_was_killed_ends(db):
    with leased("t", for_s=60), leased("t", for_s=60) as second:
        assert second is None
    Lease.objects.create(name="t", holder="killed", until=timezone.now() + timedelta(minutes=1))
    with leased("t", for_s=60) as early:
        assert early is None
    Lease.objects.update(until=timezone.now())
    with leased("t", for_s=60) as late:
        assert late is not None


def test_who_works_long_keeps_its_lease(db, monkeypatch):
    clock = iter([0, 14, 16, 16, 17])
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with leased("t", for_s=60) as lease:
        ends = []
        for _ in range(3):
            Lease.objects.update(until=AT)
            lease.keep()
            ends.append(Lease.objects.get().until)
    assert ends[0] == AT
    assert ends[1] > AT
    assert ends[2] == AT


def test_a_lease_that_cannot_be_given_back_ends_by_itself(db, monkeypatch):
    def away(*_):
        raise OperationalError(2002, "away")

    monkeypatch.setattr(leases, "_give_back", away)
    with leased("t", for_s=60):
        pass
    assert Lease.objects.count() == 1


def test_the_command_says_in_one_line_what_it_erased(add, alice):
    add(left=-timedelta(days=1))
    Session.objects.create(session_key="old", session_data="", expire_date=AT, user=alice)
    Session.objects.create(
        session_key="new", session_data="", expire_date=AT + timedelta(days=1), user=alice
    )
    out = StringIO()
    call_command("agenda_expire", stdout=out)
    call_command("agenda_expire", stdout=out)
    # The second one had nothing to say.
    assert out.getvalue() == "erased: tasks 1, audio 0, sessions 1\n"
    assert Session.objects.get().session_key == "new"
