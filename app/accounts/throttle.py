"""Who must wait with a password: django-axes asks, and counts in the database, for all hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_failure_limit
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.access import kept_fields
from accounts.models import normal_name

COOL_OFF_S = 15 * 60


class Handler(AxesDatabaseHandler):  # type: ignore[misc] # django-axes is not typed
    """django-axes' own counts a name's failures from an address; here the names are counted too."""

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        own: int = super().get_failures(request, credentials)
        limit: int = get_failure_limit(request, credentials)
        return max(own, limit) if is_sprayed_from_here(request, credentials) else own


def is_sprayed_from_here(request: HttpRequest, credentials: Any) -> bool:
    """Whether so many names have failed from this address, and have not been signed in to from it
    since, that nobody may sign in from it. Who is signed in may give the own password there.
    """
    if throttled_name(request, credentials) == request.user.get_username():
        return False
    here = AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,  # type: ignore[attr-defined] # set by django-axes
        attempt_time__gte=get_cool_off_threshold(request),
    )
    names: int = here.values("username").distinct().count()
    return names >= settings.SPRAYED_NAMES


def throttled_name(request: HttpRequest | None, credentials: Mapping[str, Any] | None) -> str:
    if credentials and credentials.get("username"):
        return normal_name(str(credentials["username"]))
    return normal_name(request.POST.get("username", "")) if request else ""


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    context = {
        "minutes": COOL_OFF_S // 60,
        "is_everybody": is_sprayed_from_here(request, credentials),
        "next": request.POST.get("next", ""),
        "kept": kept_fields(request),
    }
    page = render(request, "accounts/locked_out.html", context, status=429)
    page["Retry-After"] = str(COOL_OFF_S)
    return page
