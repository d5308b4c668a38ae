"""All of somebody's tasks in constant memory: a portion at a time, each of few bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db import connections
from django.db.models import Aggregate, CharField, Count, Func, IntegerField
from django.db.models.sql.datastructures import BaseTable
from django.utils import timezone

from agenda.models import Task, TaskQuerySet
from config.mysql.base import DatabaseWrapper

ROWS_A_PORTION = 5000
# After so many characters of notes a portion ends. As Python holds and writes one, it is up to
# sixteen bytes.
NOTES_A_PORTION = 256 * 1024
ROWS_AT_ONCE = 20

Made = TypeVar("Made")


def portions(
    owner_id: UUID,
    columns: Sequence[Any],
    make: Callable[[Any], Made],
    *,
    now: Callable[[], datetime] = timezone.now,
    rows: int = ROWS_A_PORTION,
) -> Iterator[list[Made]]:
    """The owner's live tasks by deadline, each portion at its own instant.

    `columns`: as for `values_list`; id, title, notes and deadline_at come first. `make`: of a row
    as the driver gives it, whose instants are in UTC and do not say so, one of what is told.

    A task forgotten while this runs is not told; none is told twice.
    """
    last: Any = None
    while True:
        live = _along_deadlines(Task.objects.of(owner_id).live(at=now()).by_deadline())
        for part in _after(live, last):
            made, ended = _read(part[:rows].values_list(*columns), make)
            if made:
                yield made
                last = ended
                break
        else:
            return


def _after(live: TaskQuerySet, last: Any) -> tuple[TaskQuerySet, ...]:
    """Two queries, each of which starts at its place in the index, however many tasks share a
    deadline; one with "or" would begin at the first of those every time.
    """
    if last is None:
        return (live,)
    identity, _, _, deadline, *_ = last
    reached_at = datetime.fromisoformat(str(deadline)).replace(tzinfo=UTC)
    beside = live.filter(deadline_at=reached_at, id__gt=identity)
    return beside, live.filter(deadline_at__gt=reached_at)


def _read(told: Any, make: Callable[[Any], Made]) -> tuple[list[Made], Any]:
    """Of the first of them, until there is much; and the last row.

    The database finds the next while this makes something of those before. It never waits for who
    reads slowly: what was made is handed on after the cursor was closed.
    """
    sql, parameters = told.query.sql_with_params()
    made: list[Made] = []
    room, last = NOTES_A_PORTION, None
    with closing(cast(DatabaseWrapper, connections[told.db]).streaming_cursor()) as cursor:
        cursor.execute(sql, parameters)
        while room > 0 and (found := cursor.fetchmany(ROWS_AT_ONCE)):
            made += map(make, found)
            room -= sum(len(row[2]) for row in found)
            last = found[-1]
    return made, last


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
