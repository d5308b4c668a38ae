"""All scheduled tasks at once, in the format the client can take, in constant memory."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router

from agenda.calendar import described, line, moment, text
from agenda.leases import leased
from agenda.portions import portions
from api.auth import READ, token_of
from api.openapi import READS, contract
from api.problems import Problem
from api.responses import preferred, refuse_unknown
from api.rows import PRIORITIES, ROW_COLUMNS, Row, RowValues, instant_of, read_instant, row_json
from api.schemas import Dump, DumpFormat, TaskOut

router = Router(tags=["dump"])

LONGEST_S = 300
NDJSON, CSV, CALENDAR = "application/x-ndjson", "text/csv", "text/calendar"
TEXT = {"schema": {"type": "string"}}
CALENDAR_OPENING = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//CTLV//Task Planner//EN\r\nCALSCALE:GREGORIAN\r\n"
)
CALENDAR_CLOSING = b"END:VCALENDAR\r\n"

# Of what makes something of a row: those of a portion, one portion after the other.
Told = Callable[[Callable[[RowValues], Any]], Iterator[list[Any]]]


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
    does the same in an address. One at a time of one user, and at most five minutes: an answer
    that ends early was cut, and JSON and calendar then lack their end.
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
    owner_id = token_of(request).owner_id
    stream = _one_at_a_time(owner_id, write(partial(portions, owner_id, ROW_COLUMNS)))
    next(stream)
    return StreamingHttpResponse(stream, headers=headers)


def _one_at_a_time(owner_id: UUID, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lease is held from the first, empty chunk on, on whichever host the owner asks."""
    with leased(f"dump {owner_id}", for_s=LONGEST_S) as lease:
        if lease is None:
            raise Problem("too-many-requests", headers={"Retry-After": "5"})
        until_s = time.monotonic() + LONGEST_S
        yield b""
        for chunk in chunks:
            yield chunk
            if time.monotonic() > until_s:  # who reads so slowly holds a thread of everybody's
                raise TimeoutError(f"a dump took more than {LONGEST_S} s")


def _json(told: Told) -> Iterator[bytes]:
    opening = b'{"items":['
    for portion in told(row_json):
        yield opening + ",".join(portion).encode()
        opening = b","
    yield b"]}" if opening == b"," else opening + b"]}"


def _ndjson(told: Told) -> Iterator[bytes]:
    for portion in told(row_json):
        yield ("\n".join(portion) + "\n").encode()


def _csv(told: Told) -> Iterator[bytes]:
    """RFC 4180. The words as they are: a leading "=" is the user's own, and a dump must be true."""
    yield _lines([TaskOut.model_fields])
    for portion in told(_cells):
        yield _lines(portion)


def _cells(values: RowValues) -> Iterable[Any]:
    row = Row._make(values)
    return (
        *(row.id, row.title, row.notes, instant_of(row.deadline_text)),
        *("true" if row.is_private else "false", " ".join(row.tags.split())),
        *(PRIORITIES[row.priority], row.repeat, instant_of(row.created_text)),
    )


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode()


def _calendar(told: Told) -> Iterator[bytes]:
    yield CALENDAR_OPENING
    for portion in told(_todo):
        yield "".join(portion).encode()
    yield CALENDAR_CLOSING


def _todo(values: RowValues) -> str:
    row = Row._make(values)
    created, due = (moment(read_instant(one)) for one in (row.created_text, row.deadline_text))
    lines = (
        f"BEGIN:VTODO\r\nUID:{row.id}@agenda\r\nDTSTAMP{created}CREATED{created}DUE{due}",
        line(f"SUMMARY:{text(row.title)}"),
        *described(row.notes, row.tags, row.priority, is_private=bool(row.is_private)),
        line(f"X-AGENDA-REPEAT:{text(row.repeat)}") if row.repeat else "",
        "END:VTODO\r\n",
    )
    return "".join(lines)


FORMATS: dict[str, tuple[str, Callable[[Told], Iterator[bytes]]]] = {
    "application/json": ("json", _json),
    NDJSON: ("ndjson", _ndjson),
    CSV: ("csv", _csv),
    CALENDAR: ("ics", _calendar),
}
