"""All scheduled tasks at once, in the format the client can take, in constant memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from icalendar import Todo
from ninja import Query, Router

from agenda.models import Task
from api.answers import refuse_unknown
from api.auth import READ, token_of
from api.outgoing import as_json, task_out
from api.problems import Problem
from api.schemas import Dump, DumpFormat, ProblemOut

router = Router(tags=["dump"])

ROWS_A_QUESTION = 1000
FIELDS = ["id", "title", "notes", "deadline_at", "private", "created_at"]
CALENDAR_OPENING = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//CTLV//Task Planner//EN\r\nCALSCALE:GREGORIAN\r\n"
)
CALENDAR_CLOSING = b"END:VCALENDAR\r\n"


@router.get("", auth=READ, response={200: Dump, frozenset({401, 403, 406, 422, 429}): ProblemOut})
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
    media_type = request.get_preferred_type(list(WRITERS))
    if media_type is None:
        raise Problem("not-acceptable", detail=", ".join(WRITERS))
    return media_type


def scheduled(
    owner_id: UUID, *, now: Callable[[], datetime] = timezone.now, rows: int = ROWS_A_QUESTION
) -> Iterator[Task]:
    """The owner's live tasks by deadline, asked for in portions, each at its own instant.

    (A cursor of the database's would hold every row in the client library's memory.) A task
    forgotten while this runs is not told; none is told twice.
    """
    beyond = Q()
    while True:
        live = Task.objects.of(owner_id).live(at=now()).filter(beyond).by_deadline()
        portion = list(live[:rows])
        yield from portion
        if len(portion) < rows:
            return
        last = portion[-1]
        further = Q(deadline_at__gt=last.deadline_at)
        beside = Q(deadline_at=last.deadline_at, id__gt=last.id)
        beyond = Q(deadline_at__gte=last.deadline_at) & (further | beside)


def _json(tasks: Iterator[Task]) -> Iterator[bytes]:
    yield b'{"items":['
    comma = b""
    for task in tasks:
        yield comma + as_json(task_out(task))
        comma = b","
    yield b"]}"


def _ndjson(tasks: Iterator[Task]) -> Iterator[bytes]:
    for task in tasks:
        yield as_json(task_out(task)) + b"\n"


def _csv(tasks: Iterator[Task]) -> Iterator[bytes]:
    yield _line(FIELDS)
    for task in tasks:
        yield _line(list(task_out(task).values()))


def _line(values: list[Any]) -> bytes:
    """RFC 4180. The words as they are: a leading "=" is the user's own, and a dump must be true."""
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue().encode()


def _calendar(tasks: Iterator[Task]) -> Iterator[bytes]:
    yield CALENDAR_OPENING
    for task in tasks:
        todo = Todo()
        todo.add("uid", f"{task.id}@agenda")
        todo.add("dtstamp", task.created_at)
        todo.add("created", task.created_at)
        todo.add("due", task.deadline_at)
        todo.add("summary", task.title)
        if task.notes:
            todo.add("description", task.notes)
        if task.is_private:
            todo.add("class", "PRIVATE")
        yield todo.to_ical()
    yield CALENDAR_CLOSING


Writer = Callable[[Iterator[Task]], Iterator[bytes]]
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
