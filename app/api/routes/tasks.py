"""Tasks: list, create, read, replace, change, keep longer, remove."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router

from agenda import services as agenda
from agenda.clock import LAST_INSTANT, zone_of
from agenda.models import Priority, Repeat, Task, TaskQuerySet
from agenda.services import Wording
from api.answers import body_answer, json_only, refuse_unknown, task_answer, task_etag
from api.auth import CREATE, READ, WRITE, token_of
from api.conditional import require_match, require_precondition
from api.outgoing import PRIORITIES, ROW_COLUMNS, Row, moment, row_json, to_json
from api.pages import Cursor, read_cursor
from api.problems import Problem
from api.question import Question, Rows, rows_of
from api.schemas import Filters, Keep, ProblemOut, TaskIn, TaskOut, TaskPage, TaskPatch
from api.services import Once, is_in_grave, task_once

router = Router(tags=["tasks"])
router.add_decorator(json_only, mode="view")

IDEMPOTENCY_KEY_LENGTH_MAX = 255
Answers = dict[Any, Any]
READS: Answers = {frozenset({400, 401, 403, 406, 429, 503}): ProblemOut}
ONE: Answers = READS | {frozenset({404, 410}): ProblemOut}
CHANGES: Answers = ONE | {frozenset({412, 428}): ProblemOut}
# Of those that take a body.
BODY: Answers = {frozenset({411, 413, 415, 422}): ProblemOut}


@router.get(
    "",
    auth=READ,
    response={200: TaskPage, 304: None, frozenset({404, 414, 422}): ProblemOut} | READS,
)
def list_tasks(request: HttpRequest, filters: Query[Filters]) -> HttpResponse:
    """Your scheduled tasks, a page at a time.

    Follow `next` until it is null: whatever is added or forgotten meanwhile, no task comes twice
    and none that stays is missed.
    """
    refuse_unknown(request, Filters)
    rows = _rows(filters, owner_id=token_of(request).owner_id, at=timezone.now())
    page, more = rows[: filters.limit], len(rows) > filters.limit
    following = str(_cursor(Row._make(page[-1]), filters.sort)) if more else None
    body = f'{{"items":[{",".join(map(row_json, page))}],"next":{to_json(following)}}}'
    response = body_answer(request, body.encode())
    if following:
        address = request.GET.copy()
        address["cursor"] = following
        response["Link"] = f'<{request.path}?{address.urlencode()}>; rel="next"'
    return response


def _rows(filters: Filters, *, owner_id: UUID, at: datetime) -> Rows:
    """The page, and one row more when there is a next one."""
    if filters.model_fields_set <= {"sort", "limit"}:
        return _first_page(filters.sort, filters.limit).rows(owner_id=owner_id, at=at)
    return rows_of(_page(filters, owner_id=owner_id, at=at))


@cache
def _first_page(sort: str, limit: int) -> Question:
    """What is asked most: everything, from the beginning."""
    filters = Filters.model_validate({"sort": sort, "limit": limit})
    return Question(partial(_page, filters), owner_id=UUID(int=0), at=LAST_INSTANT)


def _page(filters: Filters, *, owner_id: UUID, at: datetime) -> QuerySet[Any, Any]:
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
    sign, column = _column(filters.sort)
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


def _column(sort: str) -> tuple[str, str]:
    sign = "-" if sort.startswith("-") else ""
    return sign, f"{sort.removeprefix('-')}_at"


def _cursor(row: Row, sort: str) -> Cursor:
    text = row.created_text if sort.endswith("created") else row.deadline_text
    return Cursor(sort, moment(text), UUID(row.id))


@router.post(
    "", auth=CREATE, response={201: TaskOut, frozenset({409, 410}): ProblemOut} | READS | BODY
)
def create_task(request: HttpRequest, task: TaskIn) -> HttpResponse:
    """Add a task.

    With an `Idempotency-Key` the same request can be sent again after a lost answer: the task is
    made once, and the answer is the same. The key is forgotten with the task, or after 24 hours.
    """
    at, owner_id, wording = timezone.now(), token_of(request).owner_id, _wording(task.model_dump())

    def make() -> Task:
        with timezone.override(zone_of(token_of(request).owner.time_zone)):
            return agenda.task_add(owner_id=owner_id, wording=wording, at=at)

    key = _idempotency_key(request)
    if key is None:
        made, is_new = make(), True
    else:
        made, is_new = task_once(Once(owner_id=owner_id, key=key, body=request.body), make, at=at)
    if not is_new:
        # The words come with the request, so none had to be kept: the answer is what it was, also
        # when the task was changed since.
        made = Task(id=made.id, owner_id=owner_id, created_at=made.created_at, **wording.fields())
    response = task_answer(request, made, at=at, status=201)
    response["Location"] = reverse("api-1:read_task", args=[made.id])
    if not is_new:
        response["Idempotent-Replayed"] = "true"
    return response


def _idempotency_key(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    # As the schema says: a space is none of them.
    is_visible = key.isascii() and key.isprintable() and " " not in key
    if not (is_visible and 1 <= len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX):
        detail = f"1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters"
        raise Problem("invalid", faults=[{"parameter": "Idempotency-Key", "detail": detail}])
    return key


@router.get("/{identity:task_id}", auth=READ, response={200: TaskOut, 304: None} | ONE)
def read_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """One task. `Sunset` says when it will be forgotten; from then on the answer is 410."""
    at = timezone.now()
    return task_answer(request, task_or_problem(request, task_id, at=at), at=at)


@router.put("/{identity:task_id}", auth=WRITE, response={200: TaskOut} | CHANGES | BODY)
def replace_task(request: HttpRequest, task_id: UUID, task: TaskIn) -> HttpResponse:
    """Replace a task as a whole. Needs `If-Match`."""
    return _change(request, task_id, lambda _: _wording(task.model_dump()))


@router.patch("/{identity:task_id}", auth=WRITE, response={200: TaskOut} | CHANGES | BODY)
def change_task(request: HttpRequest, task_id: UUID, changes: TaskPatch) -> HttpResponse:
    """Change what is sent, keep the rest. Needs `If-Match`."""
    sent = changes.model_dump(exclude_unset=True)

    def changed(task: Task) -> Wording:
        before = {
            "title": task.title,
            "notes": task.notes,
            "deadline_at": task.deadline_at,
            "private": task.is_private,
            "tags": task.tag_names,
            "priority": PRIORITIES[task.priority],
            "repeat": task.repeat or None,
        }
        return _wording(before | sent)

    return _change(request, task_id, changed)


@router.post("/{identity:task_id}/keep", auth=WRITE, response={200: TaskOut} | CHANGES | BODY)
def keep_task(request: HttpRequest, task_id: UUID, longer: Keep) -> HttpResponse:
    """Move the deadline later. Needs `If-Match`, so that sending it twice moves it once."""
    require_precondition(request)
    at = timezone.now()
    with transaction.atomic():
        task = task_or_problem(request, task_id, at=at, locked=True)
        require_match(request, task_etag(task))
        agenda.task_keep(
            owner_id=task.owner_id,
            task_id=task.id,
            seen_at=task.deadline_at,
            until=task.deadline_at + timedelta(minutes=longer.minutes),
            at=at,
        )
        task = task_or_problem(request, task_id, at=at)
    return task_answer(request, task, at=at)


@router.delete("/{identity:task_id}", auth=WRITE, response={204: None} | CHANGES)
def remove_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Remove a task, and with it those that would come after it. Needs `If-Match`. On its page the
    user can undo this for a minute.
    """
    require_precondition(request)
    at = timezone.now()
    with transaction.atomic():
        task = task_or_problem(request, task_id, at=at, locked=True)
        require_match(request, task_etag(task))
        agenda.task_remove(owner_id=task.owner_id, task_id=task.id, at=at, for_good=True)
    return HttpResponse(status=204)


def _change(
    request: HttpRequest, task_id: UUID, wording: Callable[[Task], Wording]
) -> HttpResponse:
    """Read, compare with If-Match and write while nobody else can write."""
    require_precondition(request)
    at = timezone.now()
    with transaction.atomic():
        task = task_or_problem(request, task_id, at=at, locked=True)
        require_match(request, task_etag(task))
        with timezone.override(zone_of(token_of(request).owner.time_zone)):
            agenda.task_edit(task=task, wording=wording(task), at=at)
        task = task_or_problem(request, task_id, at=at)
    return task_answer(request, task, at=at)


def task_or_problem(
    request: HttpRequest, task_id: UUID, *, at: datetime, locked: bool = False
) -> Task:
    """The client's own live task; 410 when it was theirs; somebody else's does not exist."""
    owner_id = token_of(request).owner_id
    mine = Task.objects.of(owner_id).filter(id=task_id)
    task = (mine.select_for_update() if locked else mine).first()
    if task is not None and task.removed_at is None and task.deadline_at > at:
        return task
    if task is not None or is_in_grave(owner_id=owner_id, task_id=task_id, at=at):
        raise Problem("gone")
    raise Problem("not-found")


def _wording(given: dict[str, Any]) -> Wording:
    """A task as the API writes it, in the agenda's own words."""
    return Wording(
        title=given["title"],
        notes=given["notes"],
        deadline_at=given["deadline_at"],
        is_private=given["private"],
        tags=given["tags"],
        priority=Priority[given["priority"].upper()],
        repeat=given["repeat"] or Repeat.NEVER,
    )
