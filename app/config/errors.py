"""Our own error pages, in both languages. None of them asks the database anything."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader

RETRY_AFTER_S = 5


def _page(request: HttpRequest, status: HTTPStatus, name: str) -> HttpResponse:
    # No request in the context: a context processor would ask for the user, thus the database.
    language = getattr(request, "LANGUAGE_CODE", "fr")
    body = loader.render_to_string(
        f"errors/{name}.html", {"status": int(status), "language": language}
    )
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.BAD_REQUEST, "400")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "403")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.NOT_FOUND, "404")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "csrf")


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away is no bug of ours: 503, and the page says to try again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        page = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, "503")
        page["Retry-After"] = str(RETRY_AFTER_S)
        return page
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "500")
