"""All scheduled tasks at once, in the format the client can take, in constant memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from icalendar import Todo
from ninja import Query, Router

from agenda.calendar import ICS_PRIORITIES
from agenda.models import Priority, Task
from api.auth import READ, token_of
from api.openapi import READS, contract
from api.problems import Problem
from api.responses import preferred, refuse_unknown
from api.rows import (
    PRIORITIES,
    ROW_COLUMNS,
    Row,
    along_deadlines,
    instant_of,
    read_instant,
    row_json,
)
from api.schemas import Dump, DumpFormat, TaskOut

router = Router(tags=["dump"])

ROWS_A_QUERY = 1000
NDJSON, CSV, CALENDAR = "application/x-ndjson", "text/csv", "text/calendar"
TEXT = {"schema": {"type": "string"}}
CALENDAR_OPENING = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//CTLV//Task Planner//EN\r\nCALSCALE:GREGORIAN\r\n"
)
CALENDAR_CLOSING = b"END:VCALENDAR\r\n"


@router.get(
    "",
    auth=READ,
    **contract(
        {200: Dump},
        (*READS, "invalid"),
        also={200: {"content": dict.fromkeys((NDJSON, CSV, CALENDAR), TEXT)}},
    ),
)
def dump_tasks(request: HttpRequest, wanted: Query[DumpFormat]) -> StreamingHttpResponse:
    """Every scheduled task, soonest first, streamed.

    `Accept` chooses: application/json, application/x-ndjson, text/csv or text/calendar; `format`
    does the same in an address. An answer that ends early was cut: JSON and calendar then lack
    their end.
    """
    refuse_unknown(request, DumpFormat)
    by_name = {extension: media_type for media_type, (extension, _) in FORMATS.items()}
    media_type = by_name.get(wanted.format) or preferred(request, *FORMATS)
    if media_type is None:
        raise Problem("not-acceptable", detail=", ".join(FORMATS))
    extension, write = FORMATS[media_type]
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    headers = {
        "Content-Type": f"{media_type}{charset}",
        "Content-Disposition": f'attachment; filename="agenda.{extension}"',
        "Cache-Control": "private, no-store",
        # nginx must pass the stream on as it comes.
        "X-Accel-Buffering": "no",
    }
    return StreamingHttpResponse(write(scheduled(token_of(request).owner_id)), headers=headers)


def scheduled(
    owner_id: UUID, *, now: Callable[[], datetime] = timezone.now, rows: int = ROWS_A_QUERY
) -> Iterator[list[Row]]:
    """The owner's live tasks by deadline, asked for in portions, each at its own instant.

    (A cursor of the database's would hold every row in the client library's memory.) A task
    forgotten while this runs is not told; none is told twice.
    """
    portion = _portion(owner_id, now(), None, rows)
    while portion:
        yield portion
        if len(portion) < rows:
            return
        portion = _portion(owner_id, now(), portion[-1], rows)


def _portion(owner_id: UUID, at: datetime, last: Row | None, rows: int) -> list[Row]:
    tasks = along_deadlines(Task.objects.of(owner_id).live(at=at).by_deadline())
    live = tasks.values_list(*ROW_COLUMNS)
    if last is None:
        return list(map(Row._make, live[:rows]))
    reached_at = read_instant(last.deadline_text)
    # Two queries, each of which starts at its place in the index, however many tasks share a
    # deadline; one with "or" would begin at the first of those every time.
    beside = list(live.filter(deadline_at=reached_at, id__gt=last.id)[:rows])
    further = live.filter(deadline_at__gt=reached_at)[: rows - len(beside)]
    return list(map(Row._make, (*beside, *further)))


def _json(portions: Iterator[list[Row]]) -> Iterator[bytes]:
    opening = b'{"items":['
    for portion in portions:
        yield opening + ",".join(map(row_json, portion)).encode()
        opening = b","
    yield b"]}" if opening == b"," else opening + b"]}"


def _ndjson(portions: Iterator[list[Row]]) -> Iterator[bytes]:
    for portion in portions:
        yield ("\n".join(map(row_json, portion)) + "\n").encode()


def _csv(portions: Iterator[list[Row]]) -> Iterator[bytes]:
    """RFC 4180. The words as they are: a leading "=" is the user's own, and a dump must be true."""
    yield _lines([TaskOut.model_fields])
    for portion in portions:
        yield _lines(_cells(row) for row in portion)


def _cells(row: Row) -> Iterable[Any]:
    return (
        *(row.id, row.title, row.notes, instant_of(row.deadline_text)),
        *("true" if row.is_private else "false", " ".join(row.tags.split())),
        *(PRIORITIES[row.priority], row.repeat, instant_of(row.created_text)),
    )


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode()


def _calendar(portions: Iterator[list[Row]]) -> Iterator[bytes]:
    yield CALENDAR_OPENING
    for portion in portions:
        yield b"".join(map(_todo, portion))
    yield CALENDAR_CLOSING


def _todo(row: Row) -> bytes:
    todo = Todo()
    todo.add("uid", f"{row.id}@agenda")
    todo.add("dtstamp", read_instant(row.created_text))
    todo.add("created", read_instant(row.created_text))
    todo.add("due", read_instant(row.deadline_text))
    todo.add("summary", row.title)
    if row.notes:
        todo.add("description", row.notes)
    if row.tags:
        todo.add("categories", row.tags.split())
    if row.priority:
        todo.add("priority", ICS_PRIORITIES[Priority(row.priority)])
    if row.repeat:
        todo.add("x-agenda-repeat", row.repeat)
    if row.is_private:
        todo.add("class", "PRIVATE")
    return bytes(todo.to_ical())


FORMATS: dict[str, tuple[str, Callable[[Iterator[list[Row]]], Iterator[bytes]]]] = {
    "application/json": ("json", _json),
    NDJSON: ("ndjson", _ndjson),
    CSV: ("csv", _csv),
    CALENDAR: ("ics", _calendar),
}
