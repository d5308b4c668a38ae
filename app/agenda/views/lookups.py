"""What every view asks first: whose time it is, which task is meant, which line is under way."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from agenda.models import Task

# A line of quick add that is not a task yet, for who turns back: in a cookie, for nobody else, and
# not for long. Browsers keep no longer one.
LINE_COOKIE = f"{settings.COOKIE_PREFIX}line"
LINE_KEPT = timedelta(minutes=15)
COOKIE_LENGTH_MAX = 3000

require_read = require_http_methods(["GET", "HEAD"])
require_form = require_http_methods(["GET", "HEAD", "POST"])


def live_task(request: HttpRequest, task_id: UUID, *, at: datetime) -> Task | None:
    """The user's own live task. Somebody else's does not exist."""
    return Task.objects.of(signed_in(request).pk).live(at=at).filter(id=task_id).first()


def task_or_404(request: HttpRequest, task_id: UUID, *, at: datetime) -> Task:
    task = live_task(request, task_id, at=at)
    if task is None:
        raise Http404("no such task")
    return task


def agenda_again(request: HttpRequest, *, undo: UUID | None = None) -> HttpResponse:
    """After a button of the agenda: the list again, narrowed as it was, and where it can be undone
    with the focus there.
    """
    page = urlsplit(request.headers.get("Referer", ""))
    is_list = page.netloc == request.get_host() and page.path.rstrip("/") == reverse("agenda")
    query = f"?{page.query}" if is_list and page.query else ""
    return redirect(f"{reverse('agenda')}{query}{f'#undo-{undo}' if undo else ''}")


def line_kept(request: HttpRequest) -> str:
    """The line that its user wrote and has not added."""
    try:
        whose, line = signing.loads(request.COOKIES.get(LINE_COOKIE, ""), max_age=LINE_KEPT)
    except (signing.BadSignature, ValueError):
        return ""
    return str(line) if whose == str(signed_in(request).pk) else ""


def line_keep(request: HttpRequest, response: HttpResponse, line: str) -> bool:
    """Whether it is short enough to be kept."""
    value = signing.dumps([str(signed_in(request).pk), line], compress=True)
    if len(value) > COOKIE_LENGTH_MAX:
        return False
    response.set_cookie(
        LINE_COOKIE,
        value,
        max_age=LINE_KEPT,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    return True


def line_forget(response: HttpResponse) -> HttpResponse:
    """It was added."""
    response.delete_cookie(LINE_COOKIE, samesite="Lax")
    return response
