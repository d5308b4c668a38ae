"""Questions asked at every request, as SQL that Django wrote once.

Building a QuerySet's SQL takes this process longer than MariaDB takes to answer it. The QuerySets
stay the only home of what is asked: a question is made from one, with stand-ins where values come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

Asked = QuerySet[Any, Any]
Rows = tuple[tuple[Any, ...], ...]


def rows_of(asked: Asked, *, index: str = "") -> Rows:
    """What a `values_list` finds, as the driver gives it; see Question.

    With the `index` of that name, where MariaDB would choose another and read every row each time.
    """
    try:
        sql, parameters = asked.query.sql_with_params()
    except EmptyResultSet:
        return ()
    if index:
        table = f" FROM `{asked.model._meta.db_table}` "
        sql = sql.replace(table, f"{table}FORCE INDEX (`{index}`) ", 1)
    return _fetched(sql, parameters)


def _fetched(sql: str, parameters: Sequence[Any]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: Rows = cursor.fetchall()
    return found


class Question:
    """`Question(build, at=AN_INSTANT, ...)`: `build(at=...)` gives the QuerySet, a `values_list`.

    Each stand-in must be a value that the QuerySet itself does not hold. Rows come as the driver
    gives them: identities and instants that were cast are text, other instants are naive UTC.
    """

    def __init__(self, build: Callable[..., Asked], **stand_ins: Any) -> None:
        self._build, self._stand_ins = build, stand_ins
        self._written: tuple[str, tuple[tuple[str, Any], ...]] | None = None

    def rows(self, **values: Any) -> Rows:
        sql, places = self._written or self._write()
        given = {name: _as_parameter(value) for name, value in values.items()}
        return _fetched(sql, [given[name] if name else fixed for name, fixed in places])

    def _write(self) -> tuple[str, tuple[tuple[str, Any], ...]]:
        """Raises LookupError when a stand-in became no parameter: it would always be asked for."""
        sql, parameters = self._build(**self._stand_ins).query.sql_with_params()
        names = {_as_parameter(value): name for name, value in self._stand_ins.items()}
        places = tuple((names.get(value, ""), value) for value in parameters)
        lost = set(self._stand_ins) - {name for name, _ in places}
        if lost:
            raise LookupError(f"no parameter of {sql} stands for {sorted(lost)}")
        self._written = sql, places
        return self._written


def _as_parameter(value: Any) -> Any:
    """As Django hands it to the driver: an instant as text in UTC."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
