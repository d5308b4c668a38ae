"""JSON responses with the headers that make a deadline law: ETag, Sunset (RFC 8594), max-age."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse
from django.http.request import MediaType
from django.utils.http import http_date, parse_etags
from ninja import Schema

from agenda.models import Task
from api.problems import Problem, parameter_fault, problem_response
from api.rows import as_json, task_out

JSON = "application/json"
CHARSET = "; charset=utf-8"
ETAG_CHARACTERS = 32
# A copy may be shown again without asking for this long, and never past the deadline.
FRESH_S = 30


class Run(Protocol):
    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse: ...


def preferred(request: HttpRequest, *offered: str) -> str | None:
    """The media type that Accept likes best; None when it takes none (RFC 9110, section 12.5.1)."""
    return _preferred(request.headers.get("Accept", "*/*"), offered)


@lru_cache(maxsize=100)
def _preferred(accept: str, offered: tuple[str, ...]) -> str | None:
    """Django chooses, but would send under "*/*" what was refused by name with q=0."""
    ranges = [MediaType(text) for text in accept.split(",") if text.strip()]
    ranges.sort(key=lambda wanted: wanted.specificity)
    kept = []
    for name in offered:
        matching = [wanted for wanted in ranges if MediaType(name + CHARSET).match(str(wanted))]
        if matching and matching[-1].quality:
            kept.append(name + CHARSET)
    request = HttpRequest()
    request.META["HTTP_ACCEPT"] = accept
    chosen = request.get_preferred_type(kept)
    return chosen and chosen.removesuffix(CHARSET)


def json_only(run: Run) -> Run:
    """For addresses that answer in JSON: refuse before anything happens who cannot take it."""

    @wraps(run)
    def negotiated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if preferred(request, JSON) is None:
            return problem_response(Problem("not-acceptable", detail=JSON))
        return run(request, *args, **kwargs)

    return negotiated


def refuse_unknown(request: HttpRequest, known: type[Schema]) -> None:
    """A filter that is misspelt must not become a list of everything, nor one of two be dropped."""
    faults = [
        parameter_fault(name, "repeated" if name in known.model_fields else "extra_forbidden")
        for name, values in sorted(request.GET.lists())
        if name not in known.model_fields or len(values) > 1
    ]
    if faults:
        raise Problem("invalid", faults=faults)


def etag(content: bytes) -> str:
    """A strong ETag, with its quotes."""
    return f'"{hashlib.sha256(content).hexdigest()[:ETAG_CHARACTERS]}"'


def is_unchanged(request: HttpRequest, current: str) -> bool:
    """Whether the client already holds `current`: If-None-Match, compared weakly."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or current in {tag.removeprefix("W/") for tag in known}


def require_match(request: HttpRequest, task: Task) -> None:
    """Raises 412 when the task has changed since it was read: compared strongly."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    current = etag(as_json(task_out(task)))
    if "*" not in wanted and current not in wanted:
        raise Problem("precondition-failed", headers={"ETag": current})


def json_response(
    request: HttpRequest, value: Any, *, status: int = 200, fresh: str = "private, no-cache"
) -> HttpResponse:
    """`value` with its ETag, bytes as they are; 304 without it to a GET that already holds it."""
    body = value if isinstance(value, bytes) else as_json(value)
    tag = etag(body)
    if request.method == "GET" and is_unchanged(request, tag):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(body, status=status, content_type=JSON)
    response["ETag"] = tag
    response["Cache-Control"] = fresh
    return response


def task_response(
    request: HttpRequest, task: Task, *, at: datetime, status: int = 200
) -> HttpResponse:
    left_s = int((task.deadline_at - at).total_seconds())
    fresh = f"private, max-age={max(0, min(FRESH_S, left_s))}, must-revalidate"
    response = json_response(request, task_out(task), status=status, fresh=fresh)
    response["Sunset"] = http_date(task.deadline_at.timestamp())
    return response
