"""Reminders of a deadline: a day, an hour and ten minutes before.

Which there are and when (pure, at the top); then what a listening page shall say, claimed here, so
that of all tabs and devices one says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from agenda.models import Task
from config.retry import retried

STEPS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
LAST_STEP = len(STEPS)
# Said so soon after its time, a reminder speaks as if it were on time: "in ten minutes".
ON_TIME = timedelta(minutes=2)


def steps_due(left: timedelta) -> int:
    """How many of the steps have come when `left` remains until the deadline."""
    return sum(left <= step for step in STEPS)


def step_at(step: int, *, deadline_at: datetime) -> datetime:
    """When step 1, 2 or 3 comes."""
    return deadline_at - STEPS[step - 1]


def spoken_at(step: int, *, deadline_at: datetime, at: datetime) -> datetime:
    """From when a reminder counts what is left."""
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


# --- claiming ---------------------------------------------------------------------------

# More at once would be a speech; the rest follows in the next response.
MOST_AT_ONCE = 4
# A page asks at least this often, and is thought to have been cut off after twice that.
LONGEST_WAIT = timedelta(seconds=60)
SHORTEST_WAIT = timedelta(seconds=1)
CUT_OFF = 2 * LONGEST_WAIT
# Whose pages have not listened for so long hears nothing of the time between.
LISTENING = timedelta(days=7)
# To know that, a row a day is enough.
LISTENED_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    task: Task
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """`reminders` and `forgotten` count what nobody could say while the page was cut off."""

    due: tuple[Due, ...] = ()
    reminders: int = 0
    forgotten: int = 0
    wait: timedelta = LONGEST_WAIT


def reminders_claim(user: User, *, at: datetime, since: datetime | None) -> Claimed:
    """Claim for one page what is to be said at `at`; `since` is when it last had a response."""
    if user.listened_at is None or at - user.listened_at > LISTENED_EVERY:
        _listened(user, at=at)
    if is_quiet(timezone.localtime(at).time(), begins=user.quiet_from, ends=user.quiet_until):
        _claim_unheard(user)
        return Claimed()
    # Those that still have something to be said of them, as far as a day and a wait.
    mine = Task.objects.of(user.pk).live(at=at).filter(announced__lt=LAST_STEP)
    near = mine.due(since=at, until=at + STEPS[0] + LONGEST_WAIT).by_deadline()
    tasks = list(near[: 10 * MOST_AT_ONCE])
    due = [task for task in tasks if steps_due(task.deadline_at - at) > task.announced]
    claimed = [task for task in due[:MOST_AT_ONCE] if _claim(task, at=at)]
    return Claimed(
        due=tuple(Due(task=task, step=steps_due(task.deadline_at - at)) for task in claimed),
        reminders=sum(_missed(task, since=since, at=at) for task in claimed),
        forgotten=_claim_forgotten(user, at=at, since=since),
        wait=SHORTEST_WAIT if len(due) > MOST_AT_ONCE else _wait(tasks, at=at),
    )


@retried
def _listened(user: User, *, at: datetime) -> None:
    User.objects.filter(pk=user.pk).update(listened_at=at)


@retried
def _claim(task: Task, *, at: datetime) -> bool:
    """One UPDATE decides between all who ask; a deadline moved meanwhile decides against all. Said
    twice, because no answer came, nobody has it: better unheard than heard twice.
    """
    here = Task.objects.live(at=at).filter(
        id=task.id, deadline_at=task.deadline_at, announced=task.announced
    )
    return bool(here.update(announced=steps_due(task.deadline_at - at)))


def _missed(task: Task, *, since: datetime | None, at: datetime) -> int:
    if since is None or at - since <= CUT_OFF:
        return 0
    return steps_missed(
        deadline_at=task.deadline_at,
        given=task.announced,
        now_given=steps_due(task.deadline_at - at),
        since=since,
    )


def _claim_forgotten(user: User, *, at: datetime, since: datetime | None) -> int:
    """How many were forgotten unheard while this page was cut off: those the purge has counted and
    those it has yet to erase. A page just opened takes nothing away from one that was cut off.
    """
    if since is None:
        return 0
    counted = _claim_unheard(user)
    if at - since <= CUT_OFF:
        return 0
    return counted + _claim_waiting(user, at=at, since=since)


@retried
def _claim_waiting(user: User, *, at: datetime, since: datetime) -> int:
    waiting = Task.objects.of(user.pk).filter(
        deadline_at__gt=since, deadline_at__lte=at, removed_at=None, announced__lt=LAST_STEP
    )
    return waiting.update(announced=LAST_STEP)


@retried
def _claim_unheard(user: User) -> int:
    count = user.forgotten_unheard - user.forgotten_told
    if count <= 0:
        return 0
    mine = User.objects.filter(pk=user.pk, forgotten_told=user.forgotten_told)
    return count if mine.update(forgotten_told=user.forgotten_unheard) else 0


def _wait(tasks: list[Task], *, at: datetime) -> timedelta:
    """Until the next step of the nearest task, within bounds."""
    steps = (
        step_at(step, deadline_at=task.deadline_at) - at
        for task in tasks
        for step in range(steps_due(task.deadline_at - at) + 1, LAST_STEP + 1)
    )
    return max(SHORTEST_WAIT, min([LONGEST_WAIT, *steps]))


def unheard_count(counts: dict[UUID, int], *, at: datetime) -> None:
    """Called by the purge, in its transaction: for each owner how many are forgotten without their
    last reminder. Kept as a number, and only for those whose pages listen.
    """
    if not counts:
        return
    listening = User.objects.filter(pk__in=counts).filter(listened_at__gt=at - LISTENING)
    for owner_id in listening.order_by("pk").values_list("pk", flat=True):
        mine = User.objects.filter(pk=owner_id)
        mine.update(forgotten_unheard=F("forgotten_unheard") + counts[owner_id])
