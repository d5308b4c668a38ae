"""The agenda's addresses, and beside them a view that does nothing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config import urls
from config.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def bare(request: HttpRequest) -> HttpResponse:
    """What Django, the middleware and gunicorn cost alone: no user, no question, no template."""
    return HttpResponse(b"bare\n")


urlpatterns = [path("bare", bare), *urls.urlpatterns]
