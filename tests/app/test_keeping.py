"""Keep longer: one more day, once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from agenda.clock import one_day_later
from agenda.models import Task

PARIS = ZoneInfo("Europe/Paris")


def test_keeping_adds_a_day_and_sent_twice_still_one(page, add):
    task = add()
    shown = re.search(r'name="seen" value="([^"]+)"', page.get("/agenda").content.decode())
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
