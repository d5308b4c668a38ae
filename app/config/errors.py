"""Our own error pages, in both languages. None of them asks the database anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from http import HTTPStatus

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template import loader
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.translation import get_language_from_request
from django.utils.translation import gettext_lazy as _

from accounts.access import ask_to_sign_in, keeps_text, show_again, words_again
from accounts.hashers import TooBusy
from config.retry import OutcomeUnknown

RETRY_AFTER_S = 5
# What each page says: its title, then its paragraphs.
PAGES = {
    "400": (
        _("This request cannot be read"),
        _(
            "Something in it is malformed, or it was sent to a name that is not this site's."
            " Nothing was saved or changed."
        ),
    ),
    "403": (
        _("This is not open to you"),
        _(
            "You are not allowed to see or do this. If you think you should be, ask the people who"
            " run this agenda."
        ),
    ),
    "csrf": (
        _("This page has become too old"),
        _("Nothing was saved. Go back, load the page again, then send it once more."),
        _(
            "If this happens each time, your browser refuses this site's cookies, without which"
            " nobody can sign in."
        ),
    ),
    "404": (
        _("There is nothing here"),
        _(
            "The address is wrong, or what stood here was forgotten: this agenda keeps nothing past"
            " its deadline."
        ),
    ),
    "404 late": (
        _("Too late for that"),
        _(
            "This task is no longer there, or it was changed since this page was loaded: its moment"
            " has passed, or the minute in which that could be undone. Nothing was changed now."
        ),
    ),
    "405": (
        _("This cannot be opened like this"),
        _("This is the address of a button. Nothing was changed; press the button itself."),
    ),
    "500": (
        _("Something broke, and it is our fault"),
        _(
            "Nothing was half saved. Try again; if it happens again, tell the people who run this"
            " agenda."
        ),
    ),
    "503": (
        _("The agenda is resting for a moment"),
        _("Its database does not answer right now. Nothing is lost; try again in a few seconds."),
    ),
    "503 sent": (
        _("The agenda is resting for a moment"),
        _(
            "Its database does not answer right now. What you just sent may not be saved: in a few"
            " seconds, reload this page and agree to send it again. A task that is sent twice is"
            " kept once."
        ),
    ),
    "503 unknown": (
        _("Nobody knows whether that was saved"),
        _(
            "The database fell silent while it was saving what you sent. In a few seconds, go back"
            " and look: if it is not there, send it again. A task that is sent twice is kept once."
        ),
    ),
    "503 busy": (
        _("Many people are signing in right now"),
        _(
            "Your password was not looked at. In a few seconds, reload this page and agree to send"
            " it again."
        ),
    ),
}

Next = Callable[[HttpRequest], HttpResponse]


def _page(request: HttpRequest, status: HTTPStatus, name: str) -> HttpResponse:
    # No request in the context: a context processor would ask for the user, thus the database.
    # What is refused early has no language yet, and the one before it may have had another.
    language = getattr(request, "LANGUAGE_CODE", "") or get_language_from_request(request)
    title, *texts = PAGES[name]
    told = {"status": int(status), "language": language, "title": title, "texts": texts}
    with translation.override(language):
        body = loader.render_to_string("error.html", told)
    return HttpResponse(body, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.BAD_REQUEST, "400")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, "403")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    is_a_button = request.method == "POST" and request.resolver_match is not None
    return _page(request, HTTPStatus.NOT_FOUND, "404 late" if is_a_button else "404")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Somebody signed in elsewhere since this page was loaded, or a stranger's page sent this.

    Our own page's words are shown again, unsaved: only what the browser vouches for as our own.
    """
    if request.method == "POST" and _is_from_our_page(request):
        again = _form_again(request)
        if again is not None:
            return again
    return _page(request, HTTPStatus.FORBIDDEN, "csrf")


def _is_from_our_page(request: HttpRequest) -> bool:
    """As the browser says, which no page can make it say: over plain http only by Origin."""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site == "same-origin"
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def _form_again(request: HttpRequest) -> HttpResponse | None:
    try:
        match = resolve(request.path)
    except Resolver404:
        return None
    if match.url_name == "sign-in":
        return words_again(request, request.POST.get("next", ""))
    if not keeps_text(match.func):
        return None
    if not request.user.is_authenticated:
        return ask_to_sign_in(request)
    return show_again(request, request.path, request.POST)


def server_error(request: HttpRequest) -> HttpResponse:
    """A database that is away is no bug of ours: 503, and the page says to try again."""
    error = sys.exc_info()[1]
    if isinstance(error, OutcomeUnknown):
        return _unavailable(request, "503 unknown")
    if isinstance(error, OperationalError | InterfaceError):
        return _unavailable(request, "503 sent" if request.method == "POST" else "503")
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "500")


def _unavailable(request: HttpRequest, name: str) -> HttpResponse:
    page = _page(request, HTTPStatus.SERVICE_UNAVAILABLE, name)
    page["Retry-After"] = str(RETRY_AFTER_S)
    return page


class RefusedMiddleware:
    """Who opens the address of a button gets a page, where Django answers with an empty one; who
    comes when too many passwords are worked on gets one too, and no traceback goes into the log.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            page = _page(request, HTTPStatus.METHOD_NOT_ALLOWED, "405")
            page["Allow"] = response["Allow"]
            return page
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return _unavailable(request, "503 busy") if isinstance(exception, TooBusy) else None
