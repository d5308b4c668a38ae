"""Version 1: the routes together, and every exception as a problem.

Rules for versions. Within v1 things are only added: new addresses, fields in answers, optional
fields and parameters, problem types. Clients ignore what they do not know. What must go is first
marked `deprecated` in the schema and answered with `Deprecation` (RFC 9745) and `Sunset` headers
for at least six months. Anything that breaks a client is v2, beside v1 for at least a year.
"""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as ModelError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import register_converter
from ninja.errors import AuthenticationError, HttpError, ValidationError

from api.auth import CHALLENGE
from api.faults import model_faults, request_faults
from api.identities import NAME, IdentityConverter
from api.openapi import AgendaApi
from api.problems import Problem, problem_response, spoken
from api.routes import account, dump, service, sound, tasks

log = logging.getLogger("agenda.api")

register_converter(IdentityConverter, NAME)

api = AgendaApi(
    title="Agenda",
    version="1",
    description="Tasks that speak and are forgotten at their deadline.",
    urls_namespace="api-1",
    docs_url=None,
    openapi_url=None,
)
api.add_router("/tasks", tasks.router)
api.add_router("/dump", dump.router)
api.add_router("", sound.router)
api.add_router("", account.router)
api.add_router("", service.router)


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem_response(request, problem)


@api.exception_handler(AuthenticationError)
def on_stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """No token at all."""
    problem = Problem("unauthorized", headers={"WWW-Authenticate": CHALLENGE})
    return problem_response(request, problem)


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = request_faults(error.errors, language=spoken(request))
    return problem_response(request, Problem("invalid", faults=faults))


@api.exception_handler(ModelError)
def on_refused(request: HttpRequest, error: ModelError) -> HttpResponse:
    """The agenda's own rules, such as a deadline that has passed."""
    return problem_response(request, Problem("invalid", faults=model_faults(error)))


@api.exception_handler(HttpError)
def on_unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja's word for a body that is no JSON."""
    return problem_response(request, Problem("bad-request"))


@api.exception_handler(RequestDataTooBig)
def on_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem_response(request, Problem("too-large"))


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem_response(request, Problem("not-found"))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    log.warning("database: %s", error)
    return problem_response(request, Problem("unavailable", headers={"Retry-After": "5"}))
