"""A series: never two, never none, over both clock changes and the ends of months."""

from __future__ import annotations

from calendar import monthrange
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, BrokenBarrierError
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from agenda import forgetting, pace
from agenda.clock import LAST_INSTANT
from agenda.forgetting import tasks_forget
from agenda.models import UNDO_WINDOW, Task, forgetting_lag
from agenda.repeat import is_rule, next_deadline, walls_after
from agenda.services import TaskInput, task_add, task_edit, task_keep, task_remove

PARIS = ZoneInfo("Europe/Paris")
# Clocks that jump: an hour at night, half an hour, at midnight, into the next day.
ZONES = ["Europe/Paris", "Australia/Lord_Howe", "Africa/Cairo", "America/Nuuk", "America/Cayenne"]


def walls(repeat, first, *, times, zone=PARIS):
    """The series as its clocks show it, each task forgotten at its deadline."""
    at = first.replace(tzinfo=zone).astimezone(UTC)
    found = []
    for _ in range(times):
        again = next_deadline(repeat=repeat, series=first, last_at=at, at=at, zone=zone)
        assert again is not None
        at = again
        found.append(f"{at.astimezone(zone):%a %d %b %H:%M}")
    return found


@pytest.mark.parametrize(
    ("repeat", "first", "expected"),
    [
        pytest.param(
            "daily",
            datetime(2026, 3, 27, 2, 30),
            ["Sat 28 Mar 02:30", "Sun 29 Mar 03:30", "Mon 30 Mar 02:30"],
            id="a time that the clocks skip comes an hour later, once",
        ),
        pytest.param(
            "daily",
            datetime(2026, 10, 24, 2, 30),
            ["Sun 25 Oct 02:30", "Mon 26 Oct 02:30"],
            id="a time that comes twice comes once",
        ),
        pytest.param(
            "weekdays",
            datetime(2026, 11, 26, 8),
            ["Fri 27 Nov 08:00", "Mon 30 Nov 08:00", "Tue 01 Dec 08:00"],
            id="weekdays leave out the weekend",
        ),
        pytest.param(
            "weekly",
            datetime(2026, 10, 19, 18),
            ["Mon 26 Oct 18:00", "Mon 02 Nov 18:00"],
            id="weekly keeps its time over the change of clocks",
        ),
        pytest.param(
            "monthly",
            datetime(2027, 1, 31, 9),
            ["Sun 28 Feb 09:00", "Wed 31 Mar 09:00", "Fri 30 Apr 09:00", "Mon 31 May 09:00"],
            id="the 31st is the last day, and the 31st again",
        ),
        pytest.param(
            "monthly",
            datetime(2028, 1, 30, 9),
            ["Tue 29 Feb 09:00", "Thu 30 Mar 09:00"],
            id="the 30th in a leap year",
        ),
        pytest.param(
            "FREQ=DAILY;INTERVAL=3",
            datetime(2026, 10, 24, 8),
            ["Tue 27 Oct 08:00", "Fri 30 Oct 08:00", "Mon 02 Nov 08:00"],
            id="every three days",
        ),
        pytest.param(
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
            datetime(2026, 11, 26, 18),
            ["Mon 07 Dec 18:00", "Thu 10 Dec 18:00", "Mon 21 Dec 18:00"],
            id="two days of every other week",
        ),
        pytest.param(
            "FREQ=MONTHLY;BYDAY=1MO",
            datetime(2026, 12, 7, 9),
            ["Mon 04 Jan 09:00", "Mon 01 Feb 09:00", "Mon 01 Mar 09:00"],
            id="the first Monday",
        ),
        pytest.param(
            "FREQ=MONTHLY;INTERVAL=3",
            datetime(2026, 11, 30, 9),
            ["Sun 28 Feb 09:00", "Sun 30 May 09:00", "Mon 30 Aug 09:00"],
            id="every three months, the 30th or the last day",
        ),
        pytest.param(
            "FREQ=YEARLY",
            datetime(2028, 2, 29, 9),
            ["Wed 28 Feb 09:00", "Thu 28 Feb 09:00", "Fri 28 Feb 09:00", "Sun 29 Feb 09:00"],
            id="a birthday on 29 February",
        ),
    ],
)
def test_a_series_comes_when_people_expect_it(repeat, first, expected):
    assert walls(repeat, first, times=len(expected)) == expected


def test_a_series_ends_on_its_last_day():
    rule = "FREQ=WEEKLY;UNTIL=20261214"
    assert walls(rule, datetime(2026, 11, 30, 18), times=2) == [
        "Mon 07 Dec 18:00",
        "Mon 14 Dec 18:00",
    ]
    last = datetime(2026, 12, 14, 18, tzinfo=PARIS)
    again = next_deadline(
        repeat=rule, series=datetime(2026, 11, 30, 18), last_at=last, at=last, zone=PARIS
    )
    assert again is None


@given(
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    every=st.integers(1, 99),
    first=st.dates(min_value=date(2024, 1, 1), max_value=date(2030, 12, 31)),
    later=st.integers(0, 20_000),
)
def test_a_rule_asked_from_any_day_keeps_its_pace(freq, every, first, later):
    """The day that was asked from changes nothing: counted from the first time alone."""
    begin = first + timedelta(days=later)
    rule = f"FREQ={freq}" + (f";INTERVAL={every}" if every > 1 else "")
    assert is_rule(rule)
    series = datetime.combine(first, datetime.min.time())
    found = next(walls_after(series + timedelta(days=later), repeat=rule, series=series)).date()
    assert found > begin
    if freq in {"DAILY", "WEEKLY"}:
        step = every * (7 if freq == "WEEKLY" else 1)
        assert (found - first).days % step == 0
        assert (found - begin).days <= step
    else:
        months = every * (12 if freq == "YEARLY" else 1)
        apart = (found.year - first.year) * 12 + found.month - first.month
        assert apart % months == 0
        assert found.day == min(first.day, monthrange(found.year, found.month)[1])
        assert (found - begin).days <= 31 * months


@pytest.mark.parametrize(
    "rule",
    [
        *("", "daily", "FREQ=HOURLY", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=1000"),
        *("FREQ=DAILY;COUNT=3", "FREQ=DAILY;UNTIL=20261341", "FREQ=WEEKLY;BYDAY=1MO"),
        *("FREQ=MONTHLY;BYDAY=5MO", "FREQ=MONTHLY;BYMONTHDAY=31", "freq=daily", "FREQ=DAILY\n"),
        "FREQ=WEEKLY;BYDAY=" + ",".join(["MO"] * 8),
    ],
)
def test_other_rules_are_none(rule):
    assert not is_rule(rule)


def expected_days(repeat, first, until):
    """By the calendar alone, day by day: nothing of the code under test."""
    day = first
    while day < until:
        day += timedelta(days=1)
        last_of_month = monthrange(day.year, day.month)[1]
        if {
            "daily": True,
            "weekdays": day.isoweekday() <= 5,
            "weekly": day.isoweekday() == first.isoweekday(),
            "monthly": day.day == min(first.day, last_of_month),
        }[repeat]:
            yield day


@given(
    repeat=st.sampled_from(["daily", "weekdays", "weekly", "monthly"]),
    # A wall clock knows no fold; of one that the clocks skip it would lie before the skip.
    first=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2030, 12, 31)).map(
        lambda wall: wall.replace(fold=0)
    ),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_every_day_of_a_series_comes_once_and_none_is_left_out(repeat, first, zone):
    at = services_start = first.replace(tzinfo=zone).astimezone(UTC)
    days = list(expected_days(repeat, first.date(), first.date() + timedelta(days=200)))
    for day in days:
        again = next_deadline(repeat=repeat, series=first, last_at=at, at=at, zone=zone)
        assert again is not None
        assert again > at
        wall = again.astimezone(zone).replace(tzinfo=None)
        late = wall - datetime.combine(day, first.time())
        assert timedelta(0) <= late <= timedelta(hours=1), (day, wall)
        assert not late or _is_skipped(datetime.combine(day, first.time()), zone)
        at = again
    assert at > services_start


def _is_skipped(wall, zone):
    there_and_back = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return there_and_back.replace(tzinfo=None) != wall


@given(
    repeat=st.sampled_from(["daily", "weekdays", "weekly", "monthly"]),
    first=st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2030, 12, 31)),
    late=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_a_late_purge_makes_the_first_one_that_is_still_to_come(repeat, first, late, zone):
    last_at = first.replace(tzinfo=zone, fold=1).astimezone(UTC)
    at = last_at + late
    again = next_deadline(repeat=repeat, series=first, last_at=last_at, at=at, zone=zone)
    assert again is not None
    assert again > at
    # The one before it was not after `at`: none was left out.
    step = last_at
    while (
        between := next_deadline(repeat=repeat, series=first, last_at=step, at=step, zone=zone)
    ) and between < again:
        assert between <= at
        step = between
    assert between == again


def test_a_series_ends_with_the_calendar():
    last = LAST_INSTANT - timedelta(hours=1)
    wall = last.replace(tzinfo=None)
    for repeat in (
        "daily",
        "weekdays",
        "weekly",
        "monthly",
        "FREQ=YEARLY",
        "FREQ=DAILY;INTERVAL=9",
    ):
        assert (
            next_deadline(repeat=repeat, series=wall, last_at=last, at=last, zone=UTC_ZONE) is None
        )


UTC_ZONE = ZoneInfo("UTC")


EVERY_OTHER_DAY = "FREQ=DAILY;INTERVAL=2"

# In the database

AT = timezone.now()


@pytest.fixture
def add_series(alice):
    def add(left=timedelta(0), repeat="daily", **given):
        at = AT - timedelta(days=1)
        given = TaskInput(
            title="pills", deadline_at=AT + left, repeat=repeat, tags=["#health"], **given
        )
        return task_add(owner_id=alice.pk, given=given, at=at)

    return add


def test_the_next_one_has_all_that_the_last_one_had(add_series):
    last = add_series(notes="with water", is_private=True, priority=2, repeat=EVERY_OTHER_DAY)
    tasks_forget(at=AT)
    again = Task.objects.get()
    kept = ("owner_id", "title", "notes", "is_private", "tags", "priority", "repeats")
    assert again.repeats == EVERY_OTHER_DAY
    assert [getattr(again, name) for name in kept] == [getattr(last, name) for name in kept]
    assert again.id != last.id
    assert again.deadline_at.astimezone(PARIS).date() > last.deadline_at.astimezone(PARIS).date()


def test_the_next_one_follows_the_owners_own_clocks(add_series, alice):
    alice.time_zone = "America/Cayenne"
    alice.save()
    last = add_series()
    tasks_forget(at=AT)
    wall = Task.objects.get().deadline_at.astimezone(ZoneInfo("America/Cayenne"))
    assert wall.time() == last.repeat_time


def test_an_unknown_time_zone_stops_nobodys_forgetting(add_series, alice):
    alice.time_zone = "Europe/Atlantis"
    alice.save()
    add_series()
    assert tasks_forget(at=AT).tasks == 1
    assert Task.objects.count() == 1


def test_forgetting_again_makes_no_second_one(add_series):
    add_series()
    assert [tasks_forget(at=AT).tasks for _ in range(3)] == [1, 0, 0]
    assert Task.objects.count() == 1


def test_after_a_long_stop_there_is_one_and_not_one_for_each_missed_day(add_series):
    add_series()
    tasks_forget(at=AT + timedelta(days=9))
    assert Task.objects.get().deadline_at > AT + timedelta(days=9)


def test_more_series_than_a_chunk(add_series, monkeypatch):
    monkeypatch.setattr(pace, "CHUNK_ROWS", 2)
    for _ in range(5):
        add_series()
    assert tasks_forget(at=AT).tasks == 5
    assert Task.objects.live(at=AT).count() == 5


def test_a_run_that_is_killed_between_the_two_leaves_the_old_one(add_series, monkeypatch):
    last = add_series()

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    for target, name in ((Task.objects, "bulk_create"), (forgetting, "_forget_rows")):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(target, name, die)
            tasks_forget(at=AT)
        assert [task.id for task in Task.objects.all()] == [last.id]
    tasks_forget(at=AT)
    assert Task.objects.live(at=AT).count() == Task.objects.count() == 1


def test_a_series_that_only_a_newer_release_understands_waits_for_it(add):
    """After a rollback: neither erased without its next one, nor repeated by a guess."""
    task = add(left=-timedelta(hours=1), repeat="yearly")
    assert tasks_forget(at=AT).tasks == 0
    assert [left.id for left in Task.objects.all()] == [task.id]
    assert not Task.objects.live(at=AT).exists()
    assert forgetting_lag(at=AT) > timedelta(minutes=2)  # and an operator sees it


@pytest.mark.django_db(transaction=True)
def test_two_purges_at_once_without_their_lock_still_make_one(mariadb, add_series, monkeypatch):
    """Should the lock ever fail (another server): the rows' own locks are enough."""
    add_series()
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SET innodb_lock_wait_timeout=1")
            cursor.execute("SET autocommit=0")
            cursor.execute("SELECT id FROM task WHERE deadline_at <= UTC_TIMESTAMP(6) FOR UPDATE")
            assert cursor.fetchall()
            cursor.execute("DELETE FROM task WHERE deadline_at <= UTC_TIMESTAMP(6)")
            with connection.cursor() as mine:
                mine.execute("SET SESSION innodb_lock_wait_timeout=1")
            with pytest.raises(Exception, match="Lock wait timeout"):
                forgetting._repeat_chunk("deadline_at", AT, 9, at=AT)
            assert Task.objects.count() == 1
            cursor.execute("COMMIT")
        assert forgetting._repeat_chunk("deadline_at", AT, 9, at=AT) == ([], set(), False)
        assert Task.objects.count() == 0
    finally:
        other.close()
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_two_purges_that_read_the_same_row_make_one(mariadb, add_series, monkeypatch):
    add_series()
    both = Barrier(2)

    def together(again, **_):
        with suppress(BrokenBarrierError):
            both.wait(timeout=1)  # the second one waits for the first one's lock instead

    monkeypatch.setattr(forgetting.journal, "note_series", together)

    def purge(_):
        try:
            forgetting._repeat_chunk("deadline_at", AT, 9, at=AT)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as purges:
        list(purges.map(purge, range(2)))
    assert Task.objects.count() == 1


def test_a_title_edited_in_february_leaves_the_31st(add_series, alice):
    february = datetime(2027, 2, 28, 9, tzinfo=PARIS)
    task = add_series(repeat="monthly")
    Task.objects.filter(id=task.id).update(
        deadline_at=february, repeat_from=date(2027, 1, 31), repeat_time=february.time()
    )
    task.refresh_from_db()
    given = TaskInput(title="other", deadline_at=february, repeat="monthly")
    assert task_edit(task=task, given=given, at=AT)
    task.refresh_from_db()
    assert task.repeat_from == date(2027, 1, 31)
    later = february + timedelta(days=1)
    task_edit(task=task, given=TaskInput(title="x", deadline_at=later, repeat="monthly"), at=AT)
    task.refresh_from_db()
    assert task.repeat_from == date(2027, 3, 1)


def test_one_kept_longer_leaves_the_series_where_it_was(add_series, alice):
    monday = datetime(2026, 11, 30, 18, tzinfo=PARIS)
    at = monday - timedelta(days=1)
    task = task_add(
        owner_id=alice.pk, given=TaskInput(title="x", deadline_at=monday, repeat="weekly"), at=at
    )
    assert task_keep(owner_id=alice.pk, task_id=task.id, seen_at=monday, at=at)
    tuesday = Task.objects.get().deadline_at
    tasks_forget(at=tuesday)
    assert f"{Task.objects.get().deadline_at.astimezone(PARIS):%a %d %H:%M}" == "Mon 07 18:00"


@pytest.mark.parametrize(
    ("repeat", "first", "until", "again"),
    [
        pytest.param(
            "monthly", datetime(2027, 1, 31, 9), None, "Sun 28 Feb 09:00", id="end of a month"
        ),
        pytest.param(
            "monthly",
            datetime(2027, 1, 31, 9),
            datetime(2027, 3, 2, 9),
            "Wed 31 Mar 09:00",
            id="beyond the next one",
        ),
        pytest.param(
            "daily",
            datetime(2026, 3, 28, 2, 30),
            None,
            "Mon 30 Mar 02:30",
            id="onto a skipped hour",
        ),
        pytest.param(
            "weekly",
            datetime(2026, 10, 24, 2, 30),
            None,
            "Sat 31 Oct 02:30",
            id="onto a double hour",
        ),
    ],
)
def test_keeping_longer_moves_no_anchor(alice, repeat, first, until, again):
    deadline_at = first.replace(tzinfo=PARIS)
    at = deadline_at - timedelta(days=1)
    given = TaskInput(title="x", deadline_at=deadline_at, repeat=repeat)
    task = task_add(owner_id=alice.pk, given=given, at=at)
    later = until.replace(tzinfo=PARIS) if until else None
    assert task_keep(owner_id=alice.pk, task_id=task.id, seen_at=deadline_at, at=at, until=later)
    kept = Task.objects.get()
    assert kept.deadline_at > deadline_at
    assert (kept.repeat_from, kept.repeat_time) == (first.date(), first.time())
    tasks_forget(at=kept.deadline_at)
    assert f"{Task.objects.get().deadline_at.astimezone(PARIS):%a %d %b %H:%M}" == again


def test_a_repeating_task_removed_a_moment_ago_waits_for_its_owner(add_series):
    task = add_series(left=timedelta(hours=3))
    assert task_remove(owner_id=task.owner_id, task_id=task.id, at=AT)
    tasks_forget(at=AT + UNDO_WINDOW / 2)
    assert [task.id for task in Task.objects.restorable(at=AT)] == [task.id]


def test_a_repeating_task_that_was_removed_comes_back_at_its_next_time(add_series):
    task = add_series(left=timedelta(hours=3))
    assert task_remove(owner_id=task.owner_id, task_id=task.id, at=AT)
    assert not Task.objects.live(at=AT).exists()
    tasks_forget(at=AT + UNDO_WINDOW)
    assert Task.objects.get().deadline_at > task.deadline_at


def test_a_repeating_task_removed_for_good_does_not(page, add_series):
    task = add_series(left=timedelta(hours=3))
    content = page.post(f"/agenda/tasks/{task.id}/remove/", follow=True).content.decode()
    assert "It comes back on" in content
    assert page.post(f"/agenda/tasks/{task.id}/end/").status_code == 302
    tasks_forget(at=timezone.now() + UNDO_WINDOW)
    assert not Task.objects.exists()
    assert page.post(f"/agenda/tasks/{task.id}/end/").status_code == 404


def test_restoring_a_removed_one_is_no_second_one(page, add_series):
    task = add_series(left=timedelta(hours=3))
    page.post(f"/agenda/tasks/{task.id}/remove/")
    page.post(f"/agenda/tasks/{task.id}/restore/")
    tasks_forget(at=timezone.now() + UNDO_WINDOW)
    assert [found.id for found in Task.objects.all()] == [task.id]
