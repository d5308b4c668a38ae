"""JSON answers with the headers that make a deadline law: ETag, Sunset (RFC 8594), max-age."""

from __future__ import annotations

from datetime import datetime
from functools import wraps
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date
from ninja import Schema

from agenda.models import Task
from api.conditional import etag, is_unchanged
from api.faults import FAULTS_MAX, NAME_LENGTH_MAX, sentence
from api.negotiation import preferred
from api.outgoing import as_json, task_out
from api.problems import Problem, problem_response, spoken

JSON = "application/json"
# A copy may be shown again without asking for this long, and never past the deadline.
FRESH_S = 30


class Run(Protocol):
    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse: ...


def json_only(run: Run) -> Run:
    """For addresses that answer in JSON: refuse before anything happens who cannot take it."""

    @wraps(run)
    def negotiated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if preferred(request.headers.get("Accept", "*/*"), [JSON]) is None:
            return problem_response(request, Problem("not-acceptable", detail=JSON))
        return run(request, *args, **kwargs)

    return negotiated


def refuse_unknown(request: HttpRequest, known: type[Schema]) -> None:
    """A filter that is misspelt must not become a list of everything, nor one of two be dropped."""
    kinds = {
        name: "extra_forbidden" if name not in known.model_fields else "repeated"
        for name, values in sorted(request.GET.lists())
        if name not in known.model_fields or len(values) > 1
    }
    if kinds:
        language = spoken(request)
        raise Problem(
            "invalid",
            faults=[
                {"parameter": name[:NAME_LENGTH_MAX], "detail": sentence(kind, language=language)}
                for name, kind in list(kinds.items())[:FAULTS_MAX]
            ],
        )


def task_etag(task: Task) -> str:
    return etag(as_json(task_out(task)))


def json_answer(
    request: HttpRequest, value: Any, *, status: int = 200, fresh: str = "private, no-cache"
) -> HttpResponse:
    return body_answer(request, as_json(value), status=status, fresh=fresh)


def body_answer(
    request: HttpRequest, body: bytes, *, status: int = 200, fresh: str = "private, no-cache"
) -> HttpResponse:
    """A body with its ETag; 304 without it to a GET that already holds it."""
    tag = etag(body)
    if request.method == "GET" and is_unchanged(request, tag):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body, status=status, content_type=JSON)
    response["ETag"] = tag
    response["Cache-Control"] = fresh
    return response


def task_answer(
    request: HttpRequest, task: Task, *, at: datetime, status: int = 200
) -> HttpResponse:
    left_s = int((task.deadline_at - at).total_seconds())
    fresh = f"private, max-age={max(0, min(FRESH_S, left_s))}, must-revalidate"
    response = json_answer(request, task_out(task), status=status, fresh=fresh)
    response["Sunset"] = http_date(task.deadline_at.timestamp())
    return response
