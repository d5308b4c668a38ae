"""What every view asks first: whose time it is, and which task is meant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import Http404, HttpRequest
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from agenda.models import Task

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
