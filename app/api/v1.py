"""Version 1: the routes together, and every exception as a problem.

Rules for versions. Within v1 things are only added: new addresses, fields in responses, optional
fields and parameters, problem types. Clients ignore what they do not know. What must go is first
marked `deprecated` in the schema and sent with `Deprecation` (RFC 9745) and `Sunset` headers
for at least six months. Anything that breaks a client is v2, beside v1 for at least a year.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, HttpError, ValidationError

from api import account, dump, sound, tasks
from api.auth import CHALLENGE
from api.openapi import AgendaApi, StrictParser
from api.problems import Problem, model_faults, problem_response, request_faults

log = logging.getLogger("agenda.api")

api = AgendaApi(
    title="Agenda",
    version="1",
    description="Tasks that speak and are forgotten at their deadline.",
    servers=[{"url": "/"}],
    urls_namespace="api-1",
    docs_url=None,
    openapi_url=None,
    parser=StrictParser(),
)
api.add_router("/tasks", tasks.router)
api.add_router("/dump", dump.router)
api.add_router("", sound.router)
api.add_router("", account.router)
api.add_router("", account.service)


def _database_away(error: Exception) -> Problem:
    log.warning("database: %s", error)
    return Problem("unavailable", headers={"Retry-After": "5"})


PROBLEMS: dict[type[Exception], Callable[[Any], Problem]] = {
    Problem: lambda problem: problem,
    # No token at all.
    AuthenticationError: lambda _: Problem("unauthorized", headers={"WWW-Authenticate": CHALLENGE}),
    ValidationError: lambda error: Problem("invalid", faults=request_faults(error.errors)),
    # The agenda's own rules, such as a deadline that has passed.
    ModelError: lambda error: Problem("invalid", faults=model_faults(error)),
    # Ninja's word for a body that is no JSON.
    HttpError: lambda _: Problem("bad-request"),
    Http404: lambda _: Problem("not-found"),
    OperationalError: _database_away,
    InterfaceError: _database_away,
}


def on_error(problem_of: Callable[[Any], Problem], _: HttpRequest, error: Any) -> HttpResponse:
    return problem_response(problem_of(error))


for kind, problem_of in PROBLEMS.items():
    api.add_exception_handler(kind, partial(on_error, problem_of))
