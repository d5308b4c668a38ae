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
from api.answers import refuse_unknown
from api.auth import READ, token_of
from api.negotiation import preferred
from api.outgoing import PRIORITIES, ROW_COLUMNS, Row, instant_of, moment, row_json
from api.problems import Problem
from api.question import rows_of
from api.routes.tasks import READS
from api.schemas import Dump, DumpFormat, ProblemOut

router = Router(tags=["dump"])

ROWS_A_QUESTION = 1000
# Left to itself MariaDB goes through all rows that were never removed, for each portion anew.
BY_DEADLINE = "task_of_owner_by_deadline"
FIELDS = [
    *("id", "title", "notes", "deadline_at", "private"),
    *("tags", "priority", "repeat", "created_at"),
]
CALENDAR_OPENING = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//CTLV//Task Planner//EN\r\nCALSCALE:GREGORIAN\r\n"
)
CALENDAR_CLOSING = b"END:VCALENDAR\r\n"


@router.get("", auth=READ, response={200: Dump, 422: ProblemOut} | READS)
def dump_tasks(request: HttpRequest, wanted: Query[DumpFormat]) -> StreamingHttpResponse:
    """Every scheduled task, soonest first, streamed.

    `Accept` chooses: application/json, application/x-ndjson, text/csv or text/calendar; `format`
    does the same in an address. An answer that ends early was cut: JSON and calendar then lack
    their end.
    """
    refuse_unknown(request, DumpFormat)
    media_type = _media_type(request, wanted.format)
    tasks = scheduled(token_of(request).owner_id)
    response = StreamingHttpResponse(WRITERS[media_type](tasks), content_type=media_type)
    if media_type.startswith("text/"):
        response["Content-Type"] = f"{media_type}; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="agenda.{EXTENSIONS[media_type]}"'
    response["Cache-Control"] = "private, no-store"
    # nginx must pass the stream on as it comes.
    response["X-Accel-Buffering"] = "no"
    return response


def _media_type(request: HttpRequest, name: str) -> str:
    if name:
        return next(media for media, extension in EXTENSIONS.items() if extension == name)
    media_type = preferred(request.headers.get("Accept", "*/*"), list(WRITERS))
    if media_type is None:
        raise Problem("not-acceptable", detail=", ".join(WRITERS))
    return media_type


def scheduled(
    owner_id: UUID, *, now: Callable[[], datetime] = timezone.now, rows: int = ROWS_A_QUESTION
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
    live = Task.objects.of(owner_id).live(at=at).by_deadline().values_list(*ROW_COLUMNS)
    if last is None:
        return list(map(Row._make, rows_of(live[:rows])))
    reached_at = moment(last.deadline_text)
    # Two questions, each of which starts at its place in the index, however many tasks share a
    # deadline; one with "or" would begin at the first of those every time.
    beside = rows_of(live.filter(deadline_at=reached_at, id__gt=last.id)[:rows], index=BY_DEADLINE)
    further = live.filter(deadline_at__gt=reached_at)[: rows - len(beside)]
    return list(map(Row._make, (*beside, *rows_of(further, index=BY_DEADLINE))))


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
    yield _lines([FIELDS])
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
    todo.add("dtstamp", moment(row.created_text))
    todo.add("created", moment(row.created_text))
    todo.add("due", moment(row.deadline_text))
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


Writer = Callable[[Iterator[list[Row]]], Iterator[bytes]]
WRITERS: dict[str, Writer] = {
    "application/json": _json,
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
    "text/calendar": _calendar,
}
EXTENSIONS = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "text/csv": "csv",
    "text/calendar": "ics",
}
