"""How tasks are forgotten for good: in chunks that never make a writer wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from agenda import erased as journal
from agenda.clock import zone_of
from agenda.leases import Held, leased
from agenda.models import UNDO_WINDOW, Repeat, Task, grace, removal_grace
from agenda.pace import CHUNK_ROWS, Pace
from agenda.reminders import SILENCE_S, silence, unheard_count
from agenda.services import day_subject, task_again
from config.retry import retried
from speech import services as speech

# Of a purge that was killed; each chunk of another one begins it anew.
LEASE, LEASE_S = "forget", 20

Chunk = tuple[list[str], set[UUID], bool]
"""The tasks that are gone, their owners, and whether there may be more of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    tasks: int
    is_elsewhere: bool = False


def tasks_forget(*, at: datetime) -> Forgotten:
    """Erase every task that nobody may see at `at`. Harmless to repeat, to run twice at once and to
    kill: each chunk is a transaction of its own.
    """
    due = {"deadline_at": at, "removed_at": at - UNDO_WINDOW}
    if not any(
        Task.objects.filter(**{f"{name}__lte": until}).exists() for name, until in due.items()
    ):
        return Forgotten(tasks=0)
    with leased(LEASE, for_s=LEASE_S) as lease:
        if lease is None:
            return Forgotten(tasks=0, is_elsewhere=True)
        in_chunks = partial(_in_chunks, pace=Pace(), lease=lease)
        repeated = in_chunks(partial(_repeat_chunk, "deadline_at", at, at=at))
        repeated += in_chunks(partial(_repeat_chunk, "removed_at", at - UNDO_WINDOW, at=at))
        erased = in_chunks(partial(_erase_chunk, "deadline_at", at - grace(), at=at))
        erased += in_chunks(partial(_erase_chunk, "removed_at", at - removal_grace(), at=at))
    return Forgotten(tasks=erased if grace() else erased + repeated)


def _in_chunks(forget_chunk: Callable[[int], Chunk], *, pace: Pace, lease: Held) -> int:
    total, is_more = 0, True
    while is_more:
        tasks, owners, is_more = forget_chunk(pace.rows)
        total += len(tasks)
        if tasks:
            speech.forget_all([*tasks, *map(day_subject, owners)])
        lease.keep()
        if is_more:
            pace.rest()
    return total


@retried(whole=True)
def _repeat_chunk(column: str, until: datetime, rows: int, *, at: datetime) -> Chunk:
    """Tasks of a series: the next ones are made in the transaction that forgets these. Their locks
    make a second purge wait and then find nothing: never two. A killed one rolls back: never none.
    Where the site gives a grace, these stay as long as others do, but are of no series any more.
    """
    due = Task.objects.repeating().filter(**{f"{column}__lte": until})
    last = list(due.order_by(column, "id").select_for_update()[:rows])
    owners = {task.owner_id for task in last}
    zones = dict(User.objects.filter(pk__in=owners).values_list("pk", "time_zone"))
    again = {task.id: task_again(task, at=at, zone=zone_of(zones[task.owner_id])) for task in last}
    journal.note_series(again, at=at, stays=bool(grace()))
    Task.objects.bulk_create([task for task in again.values() if task is not None])
    _forget_rows(last, at=at)
    return [str(task.id) for task in last], owners, len(last) == rows


def _forget_rows(tasks: list[Task], *, at: datetime) -> None:
    rows = Task.objects.filter(id__in=[task.id for task in tasks])
    if grace():
        rows.update(repeat=Repeat.NEVER)
        return
    rows.delete()
    passed = (task for task in tasks if task.removed_at is None)
    unheard_count(((task.owner_id, silence(task)) for task in passed), at=at)


@retried(whole=True)
def _erase_chunk(column: str, until: datetime, rows: int, *, at: datetime) -> Chunk:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM task WHERE {column} <= %s AND `repeat` = ''"  # noqa: S608 - constants, here and below
            f" ORDER BY {column}, id LIMIT {rows}"
            f" RETURNING id, owner_id, removed_at IS NULL, {SILENCE_S}",
            [connection.ops.adapt_datetimefield_value(until)],
        )
        gone = cursor.fetchall()
    tasks = [task for task, *_ in gone]
    journal.note(Task, tasks, at=timezone.now())
    passed = (
        (UUID(owner), silence_s) for _task, owner, has_passed, silence_s in gone if has_passed
    )
    unheard_count(((owner, timedelta(seconds=s)) for owner, s in passed), at=at)
    owners = {owner for _task, owner, *_ in gone}
    return tasks, set(map(UUID, owners)), len(gone) == rows


def erase_in_chunks(rows: QuerySet[Any]) -> int:
    """Of any other table: never so many at once that a writer waits. Return how many."""
    total = 0
    while keys := list(rows.values_list("pk", flat=True)[:CHUNK_ROWS]):
        total += _erase(rows.filter(pk__in=keys))
    return total


@retried
def _erase(rows: QuerySet[Any]) -> int:
    return rows.delete()[0]
