"""How django-axes sees a sign-in, and what a throttled person is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.access import kept_fields
from accounts.models import normal_name

COOL_OFF_S = 15 * 60


def username(request: HttpRequest | None, credentials: Mapping[str, Any] | None) -> str:
    if credentials and credentials.get("username"):
        return normal_name(str(credentials["username"]))
    return normal_name(request.POST.get("username", "")) if request else ""


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    context = {
        "minutes": COOL_OFF_S // 60,
        "next": request.POST.get("next", ""),
        "kept": kept_fields(request),
    }
    page = render(request, "accounts/locked_out.html", context, status=429)
    page["Retry-After"] = str(COOL_OFF_S)
    return page
