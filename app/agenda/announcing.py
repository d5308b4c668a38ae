"""Which announcements a deadline has: a day, an hour and ten minutes before. Pure."""

from __future__ import annotations

from datetime import timedelta

STEPS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
LAST_STEP = len(STEPS)


def steps_due(left: timedelta) -> int:
    """How many of the steps have come when `left` remains until the deadline."""
    return sum(left <= step for step in STEPS)
