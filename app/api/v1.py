"""Version 1: the routes together, every exception as a problem, and what a person or a client's
generator reads first: from this server alone.

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

import ninja
from django.conf import settings
from django.core.exceptions import ValidationError as ModelError
from django.db import InterfaceError, OperationalError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils import translation
from django.views.decorators.http import require_GET
from ninja.errors import AuthenticationError, HttpError, ValidationError

from api import account, dump, sound, tasks
from api.auth import CHALLENGE
from api.openapi import FRENCH, AgendaApi, StrictParser
from api.problems import KINDS, Problem, model_faults, problem_response, request_faults
from api.responses import json_response
from config.retry import OutcomeUnknown

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
    kind = "outcome-unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
    return Problem(kind, headers={"Retry-After": "5"})


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


FRESH = "public, max-age=300"
NINJA = Path(ninja.__file__).with_name("static") / "ninja"
# What the documentation is made of: this server may stand alone, without the agenda's /static/.
FILES = {
    "agenda.css": ("text/css", settings.BASE_DIR / "config/static/agenda.css"),
    "icon.svg": ("image/svg+xml", settings.BASE_DIR / "config/static/icon.svg"),
    "docs.css": ("text/css", Path(__file__).with_name("docs.css")),
    "swagger-ui.css": ("text/css", NINJA / "swagger-ui.css"),
    "swagger-ui-bundle.js": ("text/javascript", NINJA / "swagger-ui-bundle.js"),
    "docs.js": ("text/javascript", Path(__file__).with_name("docs.js")),
}


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
    """The contract; `language=fr` is for the eyes of the page below alone."""
    is_french = request.GET.get("language") == "fr"
    return json_response(request, api.french_contract if is_french else api.contract, fresh=FRESH)


@require_GET
def file(request: HttpRequest, name: str) -> FileResponse:
    if name not in FILES:
        raise Http404("no such file")
    media_type, path = FILES[name]
    return FileResponse(
        path.open("rb"), content_type=media_type, headers={"Cache-Control": "public, max-age=86400"}
    )


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Ninja's Swagger UI in a frame of ours. Its own words and the contract's are English: for
    others docs.js and `openapi` say them from docs.fr.json.
    """
    chosen = request.GET.get("language", "")
    language = chosen if chosen in dict(settings.LANGUAGES) else translation.get_language()
    # No request in the context: what goes with it would ask for sessions, which are not for here.
    context = {
        "address": f"{request.scheme}://{request.get_host()}/api/v1",
        "home": "" if settings.IS_WEB else settings.SITE,
        "languages": settings.LANGUAGES,
        "language": language,
        "contract": api.contract,
        "viewer": {
            "dom_id": "#swagger-ui",
            "url": f"openapi.json?language={language}",
            "layout": "BaseLayout",
            "docExpansion": "list",
            "validatorUrl": None,
            "words": list(FRENCH["viewer"].items()) if language == "fr" else [],
        },
        "problems": KINDS,
    }
    with translation.override(language):
        page = render_to_string("api/docs.html", context)
    return HttpResponse(page, headers={"Cache-Control": FRESH})


urlpatterns = [
    path("", index),
    path("openapi.json", openapi, name="api-contract"),
    path("docs", page, name="api-docs"),
    path("docs/<str:name>", file, name="api-docs-file"),
    path("", api.urls),
]
