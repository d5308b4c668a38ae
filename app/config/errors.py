"""Our own error pages, in both languages. None of them asks the database anything."""

from __future__ import annotations

import sys
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.urls import Resolver404, resolve

from accounts.access import ask_to_sign_in, keeps_text, show_again

RETRY_AFTER_S = 5


def _page(request: HttpRequest, status: HTTPStatus, name: str) -> HttpResponse:
    # No request in the context: a context processor would ask for the user, thus the database.
    language = getattr(request, "LANGUAGE_CODE", "fr")
    told = {"status": int(status), "language": language, "was_sent": request.method == "POST"}
    body = loader.render_to_string(f"errors/{name}.html", told)
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.BAD_REQUEST, "400")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "403")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.NOT_FOUND, "404")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Somebody signed in elsewhere since this page was loaded, or a stranger's page sent this.

    Our own page's words are shown again, unsaved: only what the browser vouches for as our own.
    """
    if request.headers.get("Sec-Fetch-Site") == "same-origin" and request.method == "POST":
        again = _form_again(request)
        if again is not None:
            return again
    return _page(request, HTTPStatus.FORBIDDEN, "csrf")


def _form_again(request: HttpRequest) -> HttpResponse | None:
    try:
        match = resolve(request.path)
    except Resolver404:
        return None
    if not keeps_text(match.func):
        return None
    if not request.user.is_authenticated:
        return ask_to_sign_in(request)
    return show_again(request, request.path, request.POST)


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away is no bug of ours: 503, and the page says to try again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        page = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, "503")
        page["Retry-After"] = str(RETRY_AFTER_S)
        return page
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "500")
