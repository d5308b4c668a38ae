"""Queries of every request, as SQL that Django wrote once.

To build a QuerySet's SQL takes this process longer than MariaDB takes to answer it; `make
bench-rest` measures what that would cost. The QuerySets stay the only home of what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.sql.datastructures import BaseTable

from agenda.models import Task, TaskQuerySet

Rows = list[tuple[Any, ...]]


class CompiledQuery:
    """`CompiledQuery(build, at=AN_INSTANT, ...)`: `build(at=...)` gives the QuerySet, a
    `values_list`.

    Each stand-in must be a value that the QuerySet itself does not hold. Rows come as the driver
    gives them: identities and instants that were cast are text, other instants are naive UTC.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], **stand_ins: Any) -> None:
        self._build, self._stand_ins = build, stand_ins
        self._compiled: tuple[str, list[tuple[str, Any]]] | None = None

    def rows(self, **values: Any) -> Rows:
        sql, places = self._compiled or self._compile()
        given = {name: _as_parameter(value) for name, value in values.items()}
        with connection.cursor() as cursor:
            cursor.execute(sql, [given[name] if name else fixed for name, fixed in places])
            return list(cursor.fetchall())

    def _compile(self) -> tuple[str, list[tuple[str, Any]]]:
        """Raises LookupError when a stand-in became no parameter: it would always be asked for."""
        sql, parameters = self._build(**self._stand_ins).query.sql_with_params()
        names = {_as_parameter(value): name for name, value in self._stand_ins.items()}
        places = [(names.get(value, ""), value) for value in parameters]
        lost = set(self._stand_ins) - {name for name, _ in places}
        if lost:
            raise LookupError(f"no parameter of {sql} stands for {sorted(lost)}")
        self._compiled = sql, places
        return self._compiled


class _ByDeadline(BaseTable):
    """The table of tasks, read along one index. Django has no word for it: this is its FROM."""

    def as_sql(self, *args: Any) -> tuple[str, Any]:
        sql, parameters = super().as_sql(*args)
        return f"{sql} FORCE INDEX (`task_of_owner_by_deadline`)", parameters


def along_deadlines(tasks: TaskQuerySet) -> TaskQuerySet:
    """Left to itself MariaDB goes through all of an owner's rows, for each portion anew."""
    tasks = tasks.all()
    alias = tasks.query.get_initial_alias()
    tasks.query.alias_map[alias] = _ByDeadline(Task._meta.db_table, alias)
    return tasks


def _as_parameter(value: Any) -> Any:
    """As Django hands it to the driver: an instant as text in UTC."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
