"""Tasks: list, create, read, replace, change, keep longer, remove."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import register_converter, reverse
from django.urls.converters import UUIDConverter
from django.utils import timezone
from ninja import Query, Router

from agenda import services as agenda
from agenda.clock import LAST_INSTANT, zone_of
from agenda.models import Priority, Repeat, Task, TaskQuerySet
from agenda.services import TaskInput
from api.auth import CREATE, READ, WRITE, token_of
from api.openapi import BODY, CHANGES, IF_MATCH, ONE, READS, REF, Node, contract, header
from api.problems import Problem
from api.responses import json_only, json_response, refuse_unknown, require_match, task_response
from api.rows import (
    ROW_COLUMNS,
    CompiledQuery,
    Cursor,
    Row,
    read_cursor,
    read_instant,
    row_json,
    task_out,
    to_json,
)
from api.schemas import Filters, Keep, TaskIn, TaskOut, TaskPage, TaskPatch
from api.services import has_tombstone, task_once
from config.retry import WAITED, retried

router = Router(tags=["tasks"])
router.add_decorator(json_only, mode="view")

# A page of the longest tasks is 2 MB already; what is longer is asked for a few rows at a time.
SHORT_PAGE, ROWS_AT_ONCE, BYTES_A_PAGE = 50, 25, 1024 * 1024
KEY_LENGTH_MAX = 255
IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    "Chosen by the client: the same request sent again has its effect once.",
    minLength=1,
    maxLength=KEY_LENGTH_MAX,
    pattern="^[!-~]+$",
)
TASK = {"task_id": "$response.body#/id"}
TASK_AS_READ = TASK | {"header.If-Match": "$response.header.ETag"}
# What can be done with a task just made: clients and tests follow them.
LINKS = {
    **dict.fromkeys(["read_task", "hear_task"], TASK),
    **dict.fromkeys(
        ["replace_task", "change_task", "keep_task", "finish_task", "remove_task"], TASK_AS_READ
    ),
}
CHANGED: Node = {"headers": {200: ("ETag", "Sunset")}, "parameters": (IF_MATCH,)}
MERGE_PATCH = {"application/merge-patch+json": {"schema": {"$ref": f"{REF}TaskPatch"}}}


class IdentityConverter(UUIDConverter):
    """Some languages write every UUID in capitals; it is the same one (RFC 9562)."""

    regex = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


register_converter(IdentityConverter, "identity")


@router.get(
    "",
    auth=READ,
    **contract(
        {200: TaskPage, 304: None},
        (*READS, "not-found", "unknown-cursor", "uri-too-long", "invalid"),
        headers={200: ("ETag", "Link")},
    ),
)
def list_tasks(request: HttpRequest, filters: Query[Filters]) -> HttpResponse:
    """Your scheduled tasks, a page at a time.

    Follow `next` until it is null: whatever is added or forgotten meanwhile, no task comes twice
    and none that stays is missed.
    """
    refuse_unknown(request, Filters)
    asked: dict[str, Any] = {"owner_id": token_of(request).owner_id, "at": timezone.now()}
    if filters.model_fields_set <= {"sort", "limit"} and filters.limit <= SHORT_PAGE:
        rows, is_cut = _first_page(filters.sort, filters.limit).rows(**asked), False
    else:
        rows, is_cut = _rows(_page(filters, **asked))
    more = is_cut or len(rows) > filters.limit
    page = rows[: min(filters.limit, len(rows) - 1)] if more else rows
    following = str(_cursor(Row._make(page[-1]), filters.sort)) if more else None
    body = f'{{"items":[{",".join(map(row_json, page))}],"next":{to_json(following)}}}'
    response = json_response(request, body.encode())
    if following:
        address = request.GET.copy()
        address["cursor"] = following
        response["Link"] = f'<{request.path}?{address.urlencode()}>; rel="next"'
    return response


@cache
def _first_page(sort: str, limit: int) -> CompiledQuery:
    """What is asked most: everything, from the beginning."""
    filters = Filters.model_validate({"sort": sort, "limit": limit})
    return CompiledQuery(partial(_page, filters), owner_id=UUID(int=0), at=LAST_INSTANT)


def _rows(found: QuerySet[Any, Any]) -> tuple[list[Any], bool]:
    """A few at a time, until they are as many bytes as a process may hold for each who asks; and
    whether there may be others.
    """
    rows: list[Any] = []
    size = 0
    while size < BYTES_A_PAGE:
        part = list(found[len(rows) : len(rows) + ROWS_AT_ONCE])
        rows += part
        size += sum(len(Row._make(row).notes.encode()) for row in part)
        if len(part) < ROWS_AT_ONCE:
            return rows, False
    return rows, True


def _page(filters: Filters, *, owner_id: UUID, at: datetime) -> QuerySet[Any, Any]:
    """The page, and one row more when there is a next one."""
    found = _filtered(Task.objects.of(owner_id).live(at=at), filters)
    return _after(found, filters)[: filters.limit + 1].values_list(*ROW_COLUMNS)


def _filtered(tasks: TaskQuerySet, filters: Filters) -> TaskQuerySet:
    if filters.q:
        tasks = tasks.about(filters.q)
    if filters.deadline_from is not None:
        tasks = tasks.filter(deadline_at__gte=filters.deadline_from)
    if filters.deadline_until is not None:
        tasks = tasks.filter(deadline_at__lte=filters.deadline_until)
    if filters.tag:
        tasks = tasks.tagged(filters.tag)
    if filters.priority is not None:
        tasks = tasks.at_least(Priority[filters.priority.upper()])
    if filters.private is not None:
        tasks = tasks.filter(is_private=filters.private)
    return tasks


def _after(tasks: TaskQuerySet, filters: Filters) -> TaskQuerySet:
    """In order, from where the cursor's page ended."""
    sign = "-" if filters.sort.startswith("-") else ""
    column = f"{filters.sort.removeprefix('-')}_at"
    tasks = tasks.order_by(f"{sign}{column}", f"{sign}id")
    if not filters.cursor:
        return tasks
    try:
        last = read_cursor(filters.cursor)
    except ValueError as error:
        raise Problem("unknown-cursor") from error
    if last.order != filters.sort:
        raise Problem("unknown-cursor")
    further = "lt" if sign else "gt"
    beyond = Q(**{f"{column}__{further}": last.instant})
    beside = Q(**{column: last.instant, f"id__{further}": last.identity})
    # The first condition alone lets the database start at the right place of its index.
    return tasks.filter(Q(**{f"{column}__{further}e": last.instant}), beyond | beside)


def _cursor(row: Row, sort: str) -> Cursor:
    text = row.created_text if sort.endswith("created") else row.deadline_text
    return Cursor(sort, read_instant(text), UUID(row.id))


@router.post(
    "",
    auth=CREATE,
    **contract(
        {201: TaskOut},
        (*READS, *BODY, "in-flight", "gone", "key-reused", "outcome-unknown"),
        headers={201: ("ETag", "Idempotent-Replayed", "Location", "Sunset")},
        parameters=(IDEMPOTENCY_KEY,),
        also={201: {"links": {n: {"operationId": n, "parameters": p} for n, p in LINKS.items()}}},
    ),
)
def create_task(request: HttpRequest, task: TaskIn) -> HttpResponse:
    """Add a task.

    With an `Idempotency-Key` the same request can be sent again after a lost answer: the task is
    made once, and the answer is the same. The key is forgotten with the task, or after 24 hours.
    """
    at, owner_id, given = timezone.now(), token_of(request).owner_id, _task_input(task.model_dump())

    def make() -> Task:
        with timezone.override(zone_of(token_of(request).owner.time_zone)):
            return agenda.task_add(owner_id=owner_id, given=given, at=at)

    key = _idempotency_key(request)
    if key is None:
        made, is_new = make(), True
    else:
        made, is_new = _made_once(make, owner_id=owner_id, key=key, body=request.body, at=at)
    if not is_new:
        # The words come with the request, so none had to be kept: the response is what it was, also
        # when the task was changed since.
        made = Task(id=made.id, owner_id=owner_id, created_at=made.created_at, **given.columns())
    response = task_response(request, made, at=at, status=201)
    response["Location"] = reverse("api-1:read_task", args=[made.id])
    if not is_new:
        response["Idempotent-Replayed"] = "true"
    return response


def _made_once(make: Callable[[], Task], **asked: Any) -> tuple[Task, bool]:
    try:
        return task_once(make, **asked)
    except OperationalError as error:
        if error.args[0] != WAITED:
            raise
        raise Problem("in-flight", headers={"Retry-After": "1"}) from error


def _idempotency_key(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    # As the schema says: a space is none of them.
    is_visible = key.isascii() and key.isprintable() and " " not in key
    if not (is_visible and 1 <= len(key) <= KEY_LENGTH_MAX):
        detail = f"1 to {KEY_LENGTH_MAX} visible ASCII characters"
        raise Problem("invalid", faults=[{"parameter": "Idempotency-Key", "detail": detail}])
    return key


@router.get(
    "/{identity:task_id}",
    auth=READ,
    **contract({200: TaskOut, 304: None}, ONE, headers={200: ("ETag", "Sunset")}),
)
def read_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """One task. `Sunset` says when it will be forgotten; from then on the answer is 410."""
    at = timezone.now()
    return task_response(request, task_or_problem(request, task_id, at=at), at=at)


@router.put(
    "/{identity:task_id}", auth=WRITE, **contract({200: TaskOut}, (*CHANGES, *BODY), **CHANGED)
)
def replace_task(request: HttpRequest, task_id: UUID, task: TaskIn) -> HttpResponse:
    """Replace a task as a whole. Needs `If-Match`."""
    at = timezone.now()

    def edit(before: Task) -> None:
        agenda.task_edit(task=before, given=_task_input(task.model_dump()), at=at)
        before.refresh_from_db()

    return task_response(request, _changed(request, task_id, edit, at=at), at=at)


@router.patch(
    "/{identity:task_id}",
    auth=WRITE,
    **contract({200: TaskOut}, (*CHANGES, *BODY), **CHANGED, requestBody={"content": MERGE_PATCH}),
)
def change_task(request: HttpRequest, task_id: UUID, changes: TaskPatch) -> HttpResponse:
    """Change what is sent, keep the rest. Needs `If-Match`."""
    at = timezone.now()

    def edit(task: Task) -> None:
        kept = task_out(task) | {"deadline_at": task.deadline_at}
        given = _task_input(kept | changes.model_dump(exclude_unset=True))
        agenda.task_edit(task=task, given=given, at=at)
        task.refresh_from_db()

    return task_response(request, _changed(request, task_id, edit, at=at), at=at)


@router.post(
    "/{identity:task_id}/keep", auth=WRITE, **contract({200: TaskOut}, (*CHANGES, *BODY), **CHANGED)
)
def keep_task(request: HttpRequest, task_id: UUID, longer: Keep) -> HttpResponse:
    """Move the deadline later, of a series that of this occurrence alone. Needs `If-Match`, so that
    sending it twice moves it once.
    """
    at = timezone.now()

    def keep(task: Task) -> None:
        until = task.deadline_at + timedelta(minutes=longer.minutes)
        if longer.deadline_at:
            if problem := agenda.deadline_problem(longer.deadline_at, at=at):
                raise ValidationError({"deadline_at": problem})
            until = max(task.deadline_at, longer.deadline_at)
        agenda.task_keep(
            owner_id=task.owner_id, task_id=task.id, seen_at=task.deadline_at, until=until, at=at
        )
        task.refresh_from_db()

    return task_response(request, _changed(request, task_id, keep, at=at), at=at)


@router.delete(
    "/{identity:task_id}", auth=WRITE, **contract({204: None}, CHANGES, parameters=(IF_MATCH,))
)
def remove_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Remove a task, and with it those that would come after it. Needs `If-Match`. On its page the
    user can undo this for a minute.
    """
    at = timezone.now()
    mine = {"owner_id": token_of(request).owner_id, "task_id": task_id}
    remove = partial(agenda.task_remove, **mine, at=at, for_good=True)
    _changed(request, task_id, lambda _: remove(), at=at)
    return HttpResponse(status=204)


@router.post(
    "/{identity:task_id}/done", auth=WRITE, **contract({204: None}, CHANGES, parameters=(IF_MATCH,))
)
def finish_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Done: it is forgotten at once, of a series this occurrence alone. Needs `If-Match`. For a
    minute `undo` brings it back.
    """
    at = timezone.now()
    finish = partial(agenda.task_done, owner_id=token_of(request).owner_id, task_id=task_id, at=at)
    _changed(request, task_id, lambda _: finish(), at=at)
    return HttpResponse(status=204)


@router.post(
    "/{identity:task_id}/undo",
    auth=WRITE,
    **contract({200: TaskOut}, (*ONE, "outcome-unknown"), headers={200: ("ETag", "Sunset")}),
)
def undo_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Bring back a task that was done or removed within the last minute, or undo its last `keep`;
    otherwise it stays as it is. Sent twice it is undone once.
    """
    at = timezone.now()
    owner = token_of(request).owner
    with timezone.override(zone_of(owner.time_zone)):
        agenda.task_restore(owner_id=owner.pk, task_id=task_id, at=at)
    return task_response(request, task_or_problem(request, task_id, at=at), at=at)


def _as_changed(
    request: HttpRequest, task_id: UUID, _: Callable[[Task], object], *, at: datetime
) -> Task | None:
    """The task, when it was changed by this very request: nobody else's has its instant."""
    mine = Task.objects.of(token_of(request).owner_id).filter(id=task_id, changed_at=at)
    return mine.select_for_update().first()


@retried(whole=True, unless=_as_changed)
def _changed(
    request: HttpRequest, task_id: UUID, change: Callable[[Task], object], *, at: datetime
) -> Task:
    """The task once `change` was made to it as the client read it (If-Match), while nobody else
    could write it.
    """
    if request.headers.get("If-Match") is None:
        raise Problem("precondition-required")
    with timezone.override(zone_of(token_of(request).owner.time_zone)):
        task = task_or_problem(request, task_id, at=at, locked=True)
        require_match(request, task)
        change(task)
    return task


def task_or_problem(
    request: HttpRequest, task_id: UUID, *, at: datetime, locked: bool = False
) -> Task:
    """The client's own live task; 410 when it was theirs; somebody else's does not exist."""
    owner_id = token_of(request).owner_id
    mine = Task.objects.of(owner_id).filter(id=task_id)
    task = (mine.select_for_update() if locked else mine).first()
    if task is not None and task.removed_at is None and task.deadline_at > at:
        return task
    if task is not None or has_tombstone(owner_id=owner_id, task_id=task_id, at=at):
        raise Problem("gone")
    raise Problem("not-found")


def _task_input(given: dict[str, Any]) -> TaskInput:
    """A task as the API writes it, in the agenda's own words."""
    return TaskInput(
        title=given["title"],
        notes=given["notes"],
        deadline_at=given["deadline_at"],
        is_private=given["private"],
        tags=given["tags"],
        priority=Priority[given["priority"].upper()],
        repeat=given["repeat"] or Repeat.NEVER,
    )
