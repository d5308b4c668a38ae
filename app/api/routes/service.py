"""Is the service alive, can it serve. Without a token."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api.answers import json_answer, json_only
from api.problems import Problem
from api.schemas import Health, ProblemOut, Readiness
from speech import services as speech

READS = {frozenset({400, 406}): ProblemOut}
router = Router(tags=["service"])
router.add_decorator(json_only, mode="view")


@router.get("/health", response={200: Health, 304: None} | READS)
def health(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nobody."""
    return json_answer(request, {"status": "ok"})


@router.get("/ready", response={200: Readiness, 304: None, 503: ProblemOut} | READS)
def ready(request: HttpRequest) -> HttpResponse:
    """The database answers. A voice that is missing is told, but stops no task."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM api_token LIMIT 1")
    except DatabaseError as error:
        raise Problem("unavailable", detail="database", headers={"Retry-After": "5"}) from error
    # Details of this machine are for its operators: /readyz.
    voice = "missing" if speech.problems() else "ok"
    return json_answer(request, {"database": "ok", "speech": voice})
