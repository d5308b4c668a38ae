"""Which announcements a deadline has, and when: a day, an hour and ten minutes before. Pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta

STEPS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
LAST_STEP = len(STEPS)
# Said so soon after its time, an announcement speaks as if it were on time: "in ten minutes".
ON_TIME = timedelta(minutes=2)


def steps_due(left: timedelta) -> int:
    """How many of the steps have come when `left` remains until the deadline."""
    return sum(left <= step for step in STEPS)


def step_at(step: int, *, deadline_at: datetime) -> datetime:
    """When step 1, 2 or 3 comes."""
    return deadline_at - STEPS[step - 1]


def spoken_at(step: int, *, deadline_at: datetime, at: datetime) -> datetime:
    """From when an announcement counts what is left."""
    due_at = step_at(step, deadline_at=deadline_at)
    return due_at if due_at <= at <= due_at + ON_TIME else at


def steps_missed(*, deadline_at: datetime, given: int, now_given: int, since: datetime) -> int:
    """How many steps between the one that was given and the one given now came after `since`: one
    of them at least fell while nobody could speak.
    """
    skipped = range(given + 1, now_given)
    return sum(step_at(step, deadline_at=deadline_at) > since for step in skipped)


def is_quiet(clock: time, *, begins: time | None, ends: time | None) -> bool:
    """Whether `clock` lies in the quiet hours, which may go over midnight."""
    if begins is None or ends is None:
        return False
    if begins <= ends:
        return begins <= clock < ends
    return clock >= begins or clock < ends
