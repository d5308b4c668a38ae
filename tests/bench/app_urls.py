"""The agenda's addresses, and beside them a view that says nothing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from accounts.access import sign_in_required
from config import urls
from config.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@sign_in_required
def empty(request: HttpRequest) -> HttpResponse:
    """What Django, the middleware and gunicorn cost alone: the user is known, nothing is said."""
    return HttpResponse(b"empty\n")


urlpatterns = [path("empty", empty), *urls.urlpatterns]
