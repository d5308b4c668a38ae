"""Version 1: the routes together, every exception as a problem, and what a person or a client's
generator reads first: from this server alone, without scripts.

Rules for versions. Within v1 things are only added: new addresses, fields in responses, optional
fields and parameters, problem types. Clients ignore what they do not know. What must go is first
marked `deprecated` in the schema and sent with `Deprecation` (RFC 9745) and `Sunset` headers
for at least six months. Anything that breaks a client is v2, beside v1 for at least a year.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError as ModelError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path
from django.views.decorators.http import require_GET
from ninja.errors import AuthenticationError, HttpError, ValidationError

from api import account, dump, sound, tasks
from api.auth import CHALLENGE
from api.openapi import AgendaApi, Node, StrictParser
from api.problems import KINDS, Problem, model_faults, problem_response, request_faults
from api.responses import json_response

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


STYLE = Path(__file__).with_name("docs.css").read_bytes()
FRESH = "public, max-age=300"


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Where everything is."""
    links = {
        "tasks": "/api/v1/tasks",
        "dump": "/api/v1/dump",
        "day": "/api/v1/day/speech",
        "me": "/api/v1/me",
        "contract": "/api/v1/openapi.json",
        "documentation": "/api/v1/docs",
    }
    return json_response(request, links)


@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    return json_response(request, api.contract, fresh=FRESH)


@require_GET
def style(request: HttpRequest) -> HttpResponse:
    return HttpResponse(STYLE, content_type="text/css", headers={"Cache-Control": FRESH})


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    # No request in the context: what goes with it would ask for sessions, which are not for here.
    context = {
        "address": f"{request.scheme}://{request.get_host()}/api/v1",
        "contract": api.contract,
        "groups": _groups(api.contract),
        "schemas": [_schema(name, api.contract) for name in SCHEMAS_SHOWN],
        "problems": {
            name: (kind.status, kind.title_in("en"), kind.title_in("fr"))
            for name, kind in KINDS.items()
        },
    }
    page = render_to_string("api/docs.html", context)
    return HttpResponse(page, headers={"Cache-Control": FRESH})


SCHEMAS_SHOWN = ("TaskIn", "TaskPatch", "Keep", "TaskOut", "TaskPage", "Me", "ProblemOut")


def _groups(document: Node) -> dict[str, list[Node]]:
    groups: dict[str, list[Node]] = {}
    for address, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = [
                about | {"kind": _kind(about["schema"], is_needed=about["required"])}
                for about in operation["parameters"]
            ]
            shown = {"method": method.upper(), "path": address, "parameters": parameters}
            groups.setdefault(operation["tags"][0], []).append(operation | shown)
    return groups


def _schema(name: str, document: Node) -> Node:
    schema = document["components"]["schemas"][name]
    required = schema.get("required", [])
    fields = [
        about | {"name": field, "kind": _kind(about, is_needed=field in required)}
        for field, about in schema["properties"].items()
    ]
    return {"name": name, "description": schema.get("description", ""), "fields": fields}


def _kind(about: Node, *, is_needed: bool = False) -> str:
    if is_needed:
        return f"{_kind(about)}, needed"
    if "$ref" in about:
        return str(about["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in about:
        return " | ".join(_kind(choice) for choice in about["anyOf"])
    if "enum" in about:
        return " | ".join(choice or "(nothing)" for choice in about["enum"])
    if about.get("type") == "array":
        most = f", {about['maxItems']} at most" if "maxItems" in about else ""
        return f"[{_kind(about['items'])}]{most}"
    return str(about.get("format") or about.get("type", "")) + _limits(about)


def _limits(about: Node) -> str:
    if "maxLength" in about:
        return f", {about.get('minLength', 0)} to {about['maxLength']} characters"
    if "maximum" in about:
        return f", {about.get('minimum', 0)} to {about['maximum']}"
    return ""


urlpatterns = [
    path("", index),
    path("openapi.json", openapi, name="api-contract"),
    path("docs", page, name="api-docs"),
    path("docs.css", style),
    path("", api.urls),
]
