"""Tasks and tokens as they go out; where a page of tasks ended; queries of every request, as SQL
that Django wrote once.

To build a QuerySet's SQL takes this process longer than MariaDB takes to answer it: without
CompiledQuery a list costs nearly twice as much (`make bench-rest`). The QuerySets stay the only
home of what is asked.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Case, CharField, IntegerField, QuerySet, When
from django.db.models.functions import Cast

from agenda.models import Priority, Repeat, Task
from api.models import Token

PRIORITIES = {priority.value: priority.name.lower() for priority in Priority}
TAGS_KEPT = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

RowValues = tuple[str, str, str, str, int, str, int, str, str]


class Row(NamedTuple):
    """A task as MariaDB writes it, without the cost of a model: a list has 50, a dump a million.

    Instants are text in UTC: "2026-11-24 14:00:00.000000".
    """

    id: str
    title: str
    notes: str
    deadline_text: str
    is_private: int
    tags: str
    priority: int
    repeat: str
    created_text: str


# For `values_list`, so that Row._make takes what comes. Cast, a value needs no conversion here.
ROW_COLUMNS = (
    *(Cast("id", CharField()), "title", "notes", Cast("deadline_at", CharField())),
    *(Cast("is_private", IntegerField()), "tags", "priority"),
    Case(When(repeat=Repeat.RULE, then="repeat_rule"), default="repeat"),
    Cast("created_at", CharField()),
)
_MICROSECONDS_AT = len("2026-11-24 14:00:00")


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant_of(text: str) -> str:
    """The same of a Row's instant."""
    end = _MICROSECONDS_AT if text.endswith(".000000") else None
    return f"{text[:10]}T{text[11:end]}Z"


def read_instant(text: str) -> datetime:
    """A Row's instant, to compare and to calculate with."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row_json(row: RowValues) -> str:
    """What `as_json(task_out(task))` gives of the same task; a test compares them.

    Written by hand because a list has 50 and a dump a million: a third of the time of a dict and an
    encoder. Only what people typed can need a quote or a backslash before it.
    """
    key, title, notes, deadline, is_private, tags, priority, repeat, created = row
    return (
        f'{{"id":"{key}","title":{_quoted(title)},"notes":{_quoted(notes)}'
        f',"deadline_at":"{instant_of(deadline)}","private":{"true" if is_private else "false"}'
        f',"tags":{_tags_json(tags) if tags else "[]"},"priority":"{PRIORITIES[priority]}"'
        f',"repeat":{_quoted(repeat) if repeat else "null"},"created_at":"{instant_of(created)}"}}'
    )


def task_out(task: Task) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "title": task.title,
        "notes": task.notes,
        "deadline_at": instant(task.deadline_at),
        "private": task.is_private,
        "tags": task.tag_names,
        "priority": PRIORITIES[task.priority],
        "repeat": task.repeats or None,
        "created_at": instant(task.created_at),
    }


def token_out(token: Token) -> dict[str, Any]:
    last = token.last_used_at
    return {
        "id": str(token.id),
        "name": token.name,
        "scopes": token.scope_list,
        "hint": token.hint,
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "last_used_at": instant(last.replace(second=0, microsecond=0)) if last else None,
    }


to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@lru_cache(maxsize=TAGS_KEPT)
def _tags_json(tags: str) -> str:
    """Kept: a dump says few of them a thousand times."""
    return to_json(tags.split())


_quoted: Callable[[str], str] = json.encoder.encode_basestring


def as_json(value: Any) -> bytes:
    return to_json(value).encode()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the sort order of the list, and its last row's place in it.

    The next begins after that row, whatever was added or forgotten meanwhile: no row comes twice,
    none that stays is missed. It holds an instant and an identity, never a word, because it
    travels in addresses.
    """

    order: str
    instant: datetime
    identity: UUID

    def __str__(self) -> str:
        micros = (self.instant - EPOCH) // MICROSECOND
        fields = json.dumps([self.order, micros, self.identity.hex], separators=(",", ":"))
        return base64.urlsafe_b64encode(fields.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Raises ValueError for whatever this module did not write."""
    try:
        padded = text + "=" * (-len(text) % 4)
        order, micros, identity = json.loads(base64.b64decode(padded, b"-_", validate=True))
        cursor = Cursor(str(order), EPOCH + micros * MICROSECOND, UUID(hex=identity))
    except (binascii.Error, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(text) from error
    if str(cursor) != text:
        raise ValueError(text)
    return cursor


class CompiledQuery:
    """`CompiledQuery(build, at=AN_INSTANT, ...)`: `build(at=...)` gives the QuerySet, a
    `values_list`.

    Each stand-in must be a value that the QuerySet itself does not hold. Rows come as the driver
    gives them: identities and instants that were cast are text, other instants are naive UTC.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Any]], **stand_ins: Any) -> None:
        self._build, self._stand_ins = build, stand_ins

    @cached_property
    def _compiled(self) -> tuple[str, list[tuple[str, Any]]]:
        """The SQL, and of each of its parameters the stand-in's name or the value."""
        sql, parameters = self._build(**self._stand_ins).query.sql_with_params()
        names = {_as_parameter(value): name for name, value in self._stand_ins.items()}
        if lost := set(names) - set(parameters):
            raise LookupError(f"no parameter of {sql} stands for {[names[one] for one in lost]}")
        return sql, [(names.get(value, ""), value) for value in parameters]

    def rows(self, **values: Any) -> list[tuple[Any, ...]]:
        sql, places = self._compiled
        given = {name: _as_parameter(value) for name, value in values.items()}
        with connection.cursor() as cursor:
            cursor.execute(sql, [given[name] if name else fixed for name, fixed in places])
            return list(cursor.fetchall())


def _as_parameter(value: Any) -> Any:
    """As Django hands it to the driver: an instant as text in UTC."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return value
