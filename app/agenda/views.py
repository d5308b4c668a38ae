"""HTTP in, HTML out. A view asks one question and renders the answer."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from agenda.models import Task


@require_GET
@login_required
def agenda(request: HttpRequest) -> HttpResponse:
    tasks = Task.objects.of(request.user.pk).live(at=timezone.now()).by_deadline()
    return HttpResponse("\n".join(task.title for task in tasks))
