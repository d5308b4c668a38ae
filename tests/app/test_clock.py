"""Wall clocks, instants, and where a task stands on the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from agenda.clock import SkippedHour, first_choices, instant, later_choices, zone_label
from agenda.grouping import group_name
from agenda.identity import is_uuid7, uuid7
from agenda.times import ebb_at, left_at

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        pytest.param(datetime(2026, 1, 5, 18), datetime(2026, 1, 5, 17), id="winter"),
        pytest.param(datetime(2026, 7, 5, 18), datetime(2026, 7, 5, 16), id="summer"),
        pytest.param(datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 1, 30), id="twice"),
    ],
)
def test_a_wall_clock_becomes_an_instant(wall, utc):
    assert instant(wall, zone=PARIS) == utc.replace(tzinfo=UTC)


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_an_hour_that_the_clocks_skip_is_refused(minute):
    with pytest.raises(SkippedHour):
        instant(datetime(2026, 3, 29, 2, minute), zone=PARIS)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_every_wall_clock_comes_back_or_is_skipped(wall):
    try:
        found = instant(wall, zone=PARIS)
    except SkippedHour:
        assert wall.month == 3
    else:
        assert found.astimezone(PARIS).replace(tzinfo=None) == wall


@pytest.mark.parametrize(
    ("zone", "label"),
    [
        ("Europe/Paris", "Europe/Paris (UTC+1)"),
        ("Asia/Kathmandu", "Asia/Kathmandu (UTC+5:45)"),
        ("America/Cayenne", "America/Cayenne (UTC-3)"),
        ("Pacific/Auckland", "Pacific/Auckland (UTC+13)"),
    ],
)
def test_a_zone_is_named_with_its_offset(zone, label):
    assert zone_label(datetime(2026, 1, 5, tzinfo=UTC), zone=ZoneInfo(zone)) == label


TUESDAY = datetime(2026, 11, 24, 10, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("deadline_at", "name"),
    [
        (TUESDAY + timedelta(seconds=1), "now"),
        (TUESDAY + timedelta(hours=1), "now"),
        (TUESDAY + timedelta(hours=1, seconds=1), "today"),
        (datetime(2026, 11, 24, 23, 59, tzinfo=PARIS), "today"),
        (datetime(2026, 11, 25, 0, 0, tzinfo=PARIS), "tomorrow"),
        (datetime(2026, 11, 26, 0, 0, tzinfo=PARIS), "week"),
        (datetime(2026, 11, 29, 23, 59, tzinfo=PARIS), "week"),
        (datetime(2026, 11, 30, 0, 0, tzinfo=PARIS), "day"),
        (datetime(2026, 12, 24, 23, 59, tzinfo=PARIS), "day"),
        (datetime(2026, 12, 25, 0, 0, tzinfo=PARIS), "far"),
    ],
)
def test_a_task_stands_in_its_group(deadline_at, name):
    assert group_name(deadline_at, at=TUESDAY, zone=PARIS) == name


def test_on_sunday_monday_is_tomorrow_and_nothing_is_this_week():
    sunday = datetime(2026, 11, 29, 10, tzinfo=PARIS)
    names = [group_name(sunday + timedelta(days=n), at=sunday, zone=PARIS) for n in range(1, 4)]
    assert names == ["tomorrow", "day", "day"]


@pytest.mark.parametrize(
    ("left", "french", "english"),
    [
        (timedelta(seconds=59), "dans moins d’une minute", "in less than a minute"),
        (timedelta(minutes=59, seconds=59), "dans 59 min", "in 59 min"),
        (timedelta(hours=3, minutes=5), "dans 3 h 05", "in 3 h 05"),
        (timedelta(hours=10, minutes=59), "dans 10 h", "in 10 h"),
        (timedelta(hours=47, minutes=59), "dans 47 h", "in 47 h"),
        (timedelta(days=2), "dans 2 jours", "in 2 days"),
    ],
)
def test_what_is_left_is_said_as_precisely_as_is_useful(left, french, english):
    with translation.override("fr"):
        assert left_at(TUESDAY + left, TUESDAY) == french
    with translation.override("en"):
        assert left_at(TUESDAY + left, TUESDAY) == english


@pytest.mark.parametrize(
    ("minutes", "steps"),
    [(0, 0), (0.9, 0), (1, 1), (2.9, 1), (3, 2), (62, 5), (63, 6), (8191, 13), (10**6, 13)],
)
def test_each_step_of_the_line_below_a_task_is_half_of_the_time_before(minutes, steps):
    assert ebb_at(TUESDAY + timedelta(minutes=minutes), TUESDAY) == steps


def test_identities_are_version_7_and_sort_by_time():
    first = uuid7()
    assert is_uuid7(first)
    assert first.int >> 80 <= uuid7().int >> 80


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        pytest.param(
            "2026-12-03T18:00",
            "hour Thu 03 19:00, evening Thu 03 20:00, day Fri 04 18:00, monday Mon 07 18:00",
            id="today",
        ),
        pytest.param(
            "2026-12-03T21:00",
            "hour Thu 03 22:00, day Fri 04 21:00, monday Mon 07 21:00",
            id="after the evening began",
        ),
        pytest.param(
            "2026-12-07T09:00",
            "hour Mon 07 10:00, day Tue 08 09:00, monday Mon 14 09:00",
            id="on a Monday to come",
        ),
        pytest.param(
            "2027-03-27T02:30",
            "hour Sat 27 03:30, day Sun 28 03:30, monday Mon 29 02:30",
            id="before a night that skips its hour",
        ),
        pytest.param("9998-12-30T12:00", "hour Wed 30 13:00", id="at the calendar's end"),
    ],
)
def test_later_offers_only_what_is_later(due, expected):
    at = datetime(2026, 12, 3, 12, tzinfo=PARIS)
    deadline_at = datetime.fromisoformat(due).replace(tzinfo=PARIS).astimezone(UTC)
    choices = later_choices(deadline_at, at=at, zone=PARIS)
    told = (f"{name} {until.astimezone(PARIS):%a %d %H:%M}" for name, until in choices.items())
    assert ", ".join(told) == expected


@pytest.mark.parametrize(
    ("at", "offered"),
    [
        # A Monday.
        (datetime(2026, 11, 30, 10), "30 18:00, 30 20:00, 01 09:00, 01 18:00, 07 09:00, 07 18:00"),
        (datetime(2026, 11, 30, 17, 30), "30 20:00, 01 09:00, 01 18:00, 07 09:00, 07 18:00"),
        (datetime(2026, 11, 30, 23), "01 09:00, 01 18:00, 07 09:00, 07 18:00"),
        # A Sunday: tomorrow is the Monday.
        (datetime(2026, 12, 6, 10), "06 18:00, 06 20:00, 07 09:00, 07 18:00, 13 18:00"),
        # The clocks change on 28 March.
        (datetime(2027, 3, 27, 21), "28 09:00, 28 18:00, 29 09:00, 03 18:00"),
    ],
)
def test_what_a_new_deadline_may_be_with_one_touch(at, offered):
    found = first_choices(at=at.replace(tzinfo=PARIS), zone=PARIS)
    assert ", ".join(f"{one.astimezone(PARIS):%d %H:%M}" for one in found) == offered
