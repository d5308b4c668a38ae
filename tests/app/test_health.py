"""How far forgetting lags, and when that is red."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agenda.models import UNDO_WINDOW, forgetting_lag


@pytest.mark.parametrize(("late", "is_red"), [(119, False), (125, True)])
def test_health_turns_red_above_two_minutes(add, late, is_red):
    add(left=-timedelta(seconds=late))
    out = StringIO()
    if is_red:
        with pytest.raises(CommandError):
            call_command("agenda_health", stdout=out)
        assert "erasing lags by 12" in out.getvalue()
        return
    call_command("agenda_health", stdout=out)
    assert "forgetting: ok" in out.getvalue()


def test_the_lag_is_that_of_the_oldest_row_past_its_time(add):
    at = timezone.now()
    assert forgetting_lag(at=at) == timedelta(0)
    add(removed_at=at - UNDO_WINDOW - timedelta(seconds=30))
    assert forgetting_lag(at=at) == timedelta(seconds=30)
    add(deadline_at=at - timedelta(seconds=50))
    assert forgetting_lag(at=at) == timedelta(seconds=50)


def test_a_lag_does_not_stop_a_server_from_starting(client, add):
    add(left=-timedelta(days=1))
    assert client.get("/readyz").status_code == 200
