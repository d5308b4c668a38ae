"""All of somebody's tasks in constant memory: a portion at a time, each of few bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.db.models import Aggregate, CharField, Count, F, Func, IntegerField, Q
from django.db.models.functions import Cast
from django.db.models.sql.datastructures import BaseTable
from django.utils import timezone

from agenda.models import Task, TaskQuerySet

ROWS_A_PORTION = 1000
# Of text. As Python holds it, and writes it, that is up to sixteen times as much.
BYTES_A_PORTION = 256 * 1024

# A deadline in UTC and an identity, cast to text, which need no conversion here; a size.
Place = tuple[str, str, int]


def portions(
    owner_id: UUID, *, now: Callable[[], datetime] = timezone.now, rows: int = ROWS_A_PORTION
) -> Iterator[TaskQuerySet]:
    """The owner's live tasks by deadline, each portion at its own instant.

    (A cursor of the database's would hold every row in the client library's memory.) A task
    forgotten while this runs is not told; none is told twice.
    """
    last: Place | None = None
    while True:
        at = now()
        places, is_beside = _places(owner_id, at, last, rows)
        if not places:
            return
        sizes = accumulate(size for _, _, size in places)
        count = max(1, sum(size <= BYTES_A_PORTION for size in sizes))
        yield _at_places(owner_id, at, places[:count], is_beside=is_beside)
        if count == len(places) < rows:
            return
        last = places[count - 1]


def _at_places(
    owner_id: UUID, at: datetime, places: list[Place], *, is_beside: bool
) -> TaskQuerySet:
    if is_beside:
        return Task.objects.filter(id__in=[place[1] for place in places]).by_deadline()
    # From where they begin to where they end: that many identities take as long as the rows.
    (begin_at, _), (end_at, end_id) = _place_of(places[0]), _place_of(places[-1])
    tasks = _along_deadlines(Task.objects.of(owner_id).live(at=at).by_deadline())
    until = Q(deadline_at__lt=end_at) | Q(id__lte=end_id)
    return tasks.filter(until, deadline_at__gte=begin_at, deadline_at__lte=end_at)


def _place_of(place: Place) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(place[0]).replace(tzinfo=UTC), UUID(place[1])


def digest(tasks: TaskQuerySet, columns: Iterable[str]) -> str:
    """Changes when one of `columns` does in any of the tasks, or their number; made by the
    database, which hands over one row.
    """
    told = Func(
        *columns, template="MD5(CONCAT_WS('\\0', %(expressions)s))", output_field=CharField()
    )
    halves = {
        side: Aggregate(
            Func(told, template=f"CAST(CONV({side}(%(expressions)s, 16), 16, 10) AS UNSIGNED)"),
            function="BIT_XOR",
            output_field=IntegerField(),
        )
        for side in ("LEFT", "RIGHT")
    }
    found = tasks.aggregate(count=Count("id"), **halves)
    return f"{found['count']}-{found['LEFT']:x}-{found['RIGHT']:x}"


def _places(
    owner_id: UUID, at: datetime, last: Place | None, rows: int
) -> tuple[list[Place], bool]:
    """The next ones, and whether some of them share their deadline with the last."""
    tasks = _along_deadlines(Task.objects.of(owner_id).live(at=at).by_deadline())
    size = Func(F("notes"), function="LENGTH", output_field=IntegerField())
    live: Any = tasks.values_list(Cast("deadline_at", CharField()), Cast("id", CharField()), size)
    if last is None:
        return list(live[:rows]), False
    reached_at, identity = _place_of(last)
    # Two queries, each of which starts at its place in the index, however many tasks share a
    # deadline; one with "or" would begin at the first of those every time.
    beside = list(live.filter(deadline_at=reached_at, id__gt=identity)[:rows])
    after = live.filter(deadline_at__gt=reached_at)[: rows - len(beside)]
    return [*beside, *after], bool(beside)


class _ByDeadline(BaseTable):
    """The table of tasks, read along one index. Django has no word for it: this is its FROM."""

    def as_sql(self, *args: Any) -> tuple[str, Any]:
        sql, parameters = super().as_sql(*args)
        return f"{sql} FORCE INDEX (`task_of_owner_by_deadline`)", parameters


def _along_deadlines(tasks: TaskQuerySet) -> TaskQuerySet:
    """Left to itself MariaDB goes through all of an owner's rows, for each portion anew."""
    tasks = tasks.all()
    alias = tasks.query.get_initial_alias()
    tasks.query.alias_map[alias] = _ByDeadline(Task._meta.db_table, alias)
    return tasks
