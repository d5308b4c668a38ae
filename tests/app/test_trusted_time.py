"""A clock that jumps ahead erases nothing that is not due; one that was set right is believed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from agenda import trusted_time
from agenda.models import Task
from agenda.trusted_time import DOUBTED_FOR_S, Seen, seen_next
from tests.app.served import ServedAgenda

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAST = Seen(at=AT, up_s=1000.0)


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("last", "clock_s", "up_s", "expected_s", "is_doubted"),
    [
        pytest.param(None, 7200, 10, 7200, False, id="first run"),
        pytest.param(LAST, 10, 1010, 10, False, id="an ordinary tick"),
        pytest.param(LAST, 86400, 87400, 86400, False, id="the timer was off for a day"),
        pytest.param(LAST, 68, 1010, 68, False, id="58 s ahead"),
        pytest.param(LAST, 7210, 1010, 10, True, id="two hours ahead"),
        pytest.param(LAST, -7190, 1010, 10, True, id="two hours back"),
        pytest.param(LAST, 7210, 10, 7210, False, id="the machine started again"),
    ],
)
def test_the_time_to_go_by(last, clock_s, up_s, expected_s, is_doubted):
    now = seen_next(last, at=later(clock_s), up_s=up_s)
    assert now.at == later(expected_s)
    assert (now.since_s is not None) == is_doubted


def test_a_new_time_is_believed_once_it_has_stayed_for_an_hour():
    ahead_s = 7200
    now = seen_next(LAST, at=later(ahead_s + 10), up_s=1010)
    for up_s in range(1020, 1010 + int(DOUBTED_FOR_S), 10):
        now = seen_next(now, at=later(ahead_s + up_s - 1000), up_s=up_s)
        assert now.at == later(up_s - 1000)
    up_s = 1010 + DOUBTED_FOR_S
    now = seen_next(now, at=later(ahead_s + up_s - 1000), up_s=up_s)
    assert (now.at, now.since_s) == (later(ahead_s + up_s - 1000), None)


def test_a_clock_that_is_set_right_again_is_believed_at_once():
    ahead = seen_next(LAST, at=later(7210), up_s=1010)
    assert seen_next(ahead, at=later(20), up_s=1020) == Seen(at=later(20), up_s=1020)


@pytest.fixture
def run(db, monkeypatch, settings, tmp_path):
    """The command at a time of this host's clock, of the database's, and of the time since boot."""
    settings.ERASED_JOURNAL = str(tmp_path)

    def at(clock: datetime, *, up_s: float, database: datetime | None = None) -> tuple[str, str]:
        out, err = StringIO(), StringIO()
        with monkeypatch.context() as patched:
            patched.setattr("django.utils.timezone.now", lambda: clock)
            patched.setattr(trusted_time.time, "clock_gettime", lambda _which: up_s)
            patched.setattr(trusted_time, "_database_time", lambda: database or clock)
            call_command("agenda_expire", stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return at


def test_a_jump_of_two_hours_erases_only_what_is_really_due(add, run):
    add("due", deadline_at=later(5))
    add("in an hour", deadline_at=later(3600))
    run(AT, up_s=1000)
    said = run(later(7210), up_s=1010)
    assert said == (
        "erased: tasks 1, audio 0, sessions 0\n",
        "this clock is 7200 s ahead: what is due since 12:00 UTC is kept\n",
    )
    assert Task.objects.get().title == "in an hour"
    assert run(later(20), up_s=1020)[1] == ""
    assert run(later(3610), up_s=4610)[0].startswith("erased: tasks 1")


def test_a_database_whose_clock_is_behind_keeps_what_it_does_not_hold_for_due(add, run):
    add("in an hour", deadline_at=later(3600))
    assert run(later(7200), up_s=1000, database=AT)[1].startswith("this clock is 7200 s ahead")
    assert Task.objects.count() == 1


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"at": "x"}', '{"at": 1e300, "up_s": 1}'])
def test_what_a_power_cut_left_of_the_file_counts_for_nothing(run, tmp_path, kept):
    (tmp_path / trusted_time.NAME).write_text(kept)
    assert run(AT, up_s=1000) == ("", "")
    assert run(later(7200), up_s=1001)[1] != ""


def test_a_full_disk_keeps_nothing_from_being_erased(add, run, settings):
    settings.ERASED_JOURNAL = "/dev/full"  # no folder: writing below it fails
    add("due", deadline_at=AT)
    assert run(later(1), up_s=1000)[0].startswith("erased: tasks 1")


def test_the_database_is_asked_for_its_time(db):
    assert abs(trusted_time._database_time() - datetime.now(UTC)) < timedelta(minutes=1)


def test_without_a_database_sounds_go_at_their_deadline_and_the_failure_is_two_lines():
    agenda = ServedAgenda()  # never started: nothing answers at its socket
    names = (f"{'b' * 32}.local.mp3", f"{'c' * 32}.local.mp3", "lock")
    due, later, spoken = (agenda.folder / "speech" / f"{'a' * 32}.{name}" for name in names)
    for file in (due, later, spoken):
        file.write_bytes(b"sound")
    os.utime(due, (0, 0))
    os.utime(later, (2**32, 2**32))
    with pytest.raises(RuntimeError) as failed:
        agenda.manage("agenda_expire")
    assert (due.exists(), later.exists()) == (False, True)
    told, following, *more = (
        str(failed.value).removeprefix("manage.py agenda_expire: ").splitlines()
    )
    assert told.startswith("the database cannot be used: Can't connect")
    assert following.startswith("  Next: ")
    assert more == []
