"""Reminders of a deadline: as long before it as their user chose, and at the deadline itself.

Which there are and when (pure, at the top); then what a listening page shall say, claimed here, so
that of all tabs and devices one says it.

What is kept of a task is when something was last said of it: the steps after that are due. So who
chooses other lead times hears none twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from agenda.models import Task
from config.retry import retried

# The release before has these for everybody, and counts in `announced` how many it gave.
STEPS = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
# What belongs to the deadline itself is said so long before: then its title is no longer a secret.
AT_THE_END = timedelta(seconds=10)
# Said so soon after its time, a reminder speaks as if it were on time: "in ten minutes".
ON_TIME = timedelta(minutes=2)


def leads_of(user: User) -> list[timedelta]:
    """How long before a deadline this user wants to be told, longest first; 0: at the deadline."""
    return [timedelta(minutes=n) for n in sorted(user.lead_minutes, reverse=True)]


def last_call(leads: list[timedelta]) -> timedelta:
    """The one of `leads` after which nothing comes but the deadline itself."""
    return min((lead for lead in leads if lead), default=leads[0])


def step_at(lead: timedelta, *, deadline_at: datetime) -> datetime:
    return deadline_at - max(lead, AT_THE_END)


def spoken_at(lead: timedelta, *, deadline_at: datetime, at: datetime) -> datetime:
    """From when a reminder counts what is left."""
    due_at = step_at(lead, deadline_at=deadline_at)
    return due_at if due_at <= at <= due_at + ON_TIME else at


def steps_due(left: timedelta) -> int:
    """How many of STEPS have come when `left` remains until the deadline."""
    return sum(left <= step for step in STEPS)


def heard(*, deadline_at: datetime, at: datetime) -> dict[str, Any]:
    """The columns of a task that is spoken of at `at`, or gets this deadline then: what is near
    already is not announced at once.
    """
    return {"announced_at": at, "announced": steps_due(deadline_at - at)}


def silence(task: Task) -> timedelta:
    """How long before its deadline something was last said of a task, here or by the release
    before.
    """
    here = task.deadline_at - task.announced_at if task.announced_at else timedelta.max
    return min(here, STEPS[task.announced - 1] if task.announced else timedelta.max)


# The same in SQL, for rows that are erased as it is asked: seconds.
_NEVER_S = 10**9
_STEPS_S = ", ".join(str(int(step.total_seconds())) for step in STEPS)
SILENCE_S = (
    f"LEAST(COALESCE(TIMESTAMPDIFF(SECOND, announced_at, deadline_at), {_NEVER_S}),"
    f" COALESCE(ELT(announced, {_STEPS_S}) + 0, {_NEVER_S}))"
)


def leads_due(task: Task, leads: list[timedelta], *, at: datetime) -> list[timedelta]:
    """Those whose time has come and of which nothing was said, longest first."""
    left, quiet = task.deadline_at - at, silence(task)
    return [lead for lead in leads if left <= max(lead, AT_THE_END) < quiet]


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
MOST_LOOKED_AT = 100
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
    lead: timedelta


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
    leads = leads_of(user)
    clock = timezone.localtime(at).time()
    if not leads or is_quiet(clock, begins=user.quiet_from, ends=user.quiet_until):
        _claim_unheard(user)
        return Claimed()
    # Those of which something is to be said, now or before the next question.
    mine = Task.objects.of(user.pk).live(at=at).due(since=at, until=at + leads[0] + LONGEST_WAIT)
    tasks = list(
        mine.filter(_speaks_until(at + LONGEST_WAIT, leads)).by_deadline()[:MOST_LOOKED_AT]
    )
    due = [(task, said) for task in tasks if (said := leads_due(task, leads, at=at))]
    claimed = [(task, said) for task, said in due[:MOST_AT_ONCE] if _claim(task, at=at)]
    return Claimed(
        due=tuple(Due(task=task, lead=said[-1]) for task, said in claimed),
        reminders=sum(_missed(task, said[:-1], since=since, at=at) for task, said in claimed),
        forgotten=_claim_forgotten(user, leads, at=at, since=since),
        wait=SHORTEST_WAIT if len(due) > MOST_AT_ONCE else _wait(tasks, leads, at=at),
    )


def _unsaid(lead: timedelta) -> Q:
    """Nothing was said since the step of `lead`; what the release before said, leads_due knows."""
    return Q(announced_at=None) | Q(announced_at__lt=F("deadline_at") - max(lead, AT_THE_END))


def _speaks_until(until: datetime, leads: list[timedelta]) -> Q:
    steps = (Q(deadline_at__lte=until + max(lead, AT_THE_END)) & _unsaid(lead) for lead in leads)
    return reduce(or_, steps)


@retried
def _listened(user: User, *, at: datetime) -> None:
    User.objects.filter(pk=user.pk).update(listened_at=at)


@retried
def _claim(task: Task, *, at: datetime) -> bool:
    """One UPDATE decides between all who ask; a deadline moved meanwhile decides against all. Said
    twice, because no answer came, nobody has it: better unheard than heard twice.
    """
    here = Task.objects.live(at=at).filter(
        id=task.id,
        deadline_at=task.deadline_at,
        announced=task.announced,
        announced_at=task.announced_at,
    )
    return bool(here.update(**heard(deadline_at=task.deadline_at, at=at)))


def _missed(task: Task, skipped: list[timedelta], *, since: datetime | None, at: datetime) -> int:
    """How many of the `skipped` came after `since`: they fell while nobody could speak."""
    if since is None or at - since <= CUT_OFF:
        return 0
    return sum(step_at(lead, deadline_at=task.deadline_at) > since for lead in skipped)


def _claim_forgotten(
    user: User, leads: list[timedelta], *, at: datetime, since: datetime | None
) -> int:
    """How many were forgotten unheard while this page was cut off: those the purge has counted and
    those it has yet to erase. A page just opened takes nothing away from one that was cut off.
    """
    if since is None:
        return 0
    counted = _claim_unheard(user)
    if at - since <= CUT_OFF:
        return 0
    return counted + _claim_waiting(user, leads, at=at, since=since)


@retried
def _claim_waiting(user: User, leads: list[timedelta], *, at: datetime, since: datetime) -> int:
    waiting = Task.objects.of(user.pk).filter(
        _unsaid(last_call(leads)), deadline_at__gt=since, deadline_at__lte=at, removed_at=None
    )
    by_release_before = {"announced_at": None, "announced": len(STEPS)}
    return waiting.exclude(**by_release_before).update(announced_at=at, announced=len(STEPS))


@retried
def _claim_unheard(user: User) -> int:
    count = user.forgotten_unheard - user.forgotten_told
    if count <= 0:
        return 0
    mine = User.objects.filter(pk=user.pk, forgotten_told=user.forgotten_told)
    return count if mine.update(forgotten_told=user.forgotten_unheard) else 0


def _wait(tasks: list[Task], leads: list[timedelta], *, at: datetime) -> timedelta:
    """Until the next step of the nearest task, within bounds."""
    steps = (step_at(lead, deadline_at=task.deadline_at) - at for task in tasks for lead in leads)
    return max(SHORTEST_WAIT, min([LONGEST_WAIT, *(step for step in steps if step > timedelta(0))]))


def unheard_count(silences: Iterable[tuple[UUID, timedelta]], *, at: datetime) -> None:
    """Called by the purge, in its transaction, with the owners of what is forgotten and how long
    before its deadline something was last said of it: for each owner, of how many the last reminder
    was not heard. Kept as a number, and only for those whose pages listen.
    """
    of = defaultdict(list)
    for owner_id, silence_before in silences:
        of[owner_id].append(silence_before)
    if not of:
        return
    listening = User.objects.filter(pk__in=of).filter(listened_at__gt=at - LISTENING)
    for user in listening.order_by("pk").only("announce_minutes"):
        if leads := leads_of(user):
            last = max(last_call(leads), AT_THE_END)
            count = sum(quiet > last for quiet in of[user.pk])
            User.objects.filter(pk=user.pk).update(forgotten_unheard=F("forgotten_unheard") + count)
