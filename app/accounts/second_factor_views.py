"""Where people set their second factor up, make its recovery codes anew, and remove it."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import segno
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from pyotp import TOTP, random_base32

from accounts.access import sign_in_required, signed_in
from accounts.audit import What, note
from accounts.forms import FactorSetForm, PasswordAgain
from accounts.models import User, session_digest
from accounts.second_factor import factor_remove, factor_set, opened, recovery_codes_new, seal
from accounts.services import sessions_of


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def second_factor(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    if not user.factor_sealed:
        return _set_up(request, user)
    form = PasswordAgain(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        if "remove" not in request.POST:
            note(What.RECOVERY_CODES_MADE, user.pk, request=request)
            return _recovery_codes(request, recovery_codes_new(user))
        factor_remove(user)
        note(What.FACTOR_REMOVED, user.pk, request=request)
        messages.success(request, _("The second step is removed."))
        return redirect("account")
    return _page(request, {"form": form, "left": len(user.recovery_digests.split())})


def _set_up(request: HttpRequest, user: User) -> HttpResponse:
    fresh = seal(user, TOTP(random_base32()))
    form = FactorSetForm(request, request.POST or None, initial={"sealed": fresh})
    if "sealed" in form.errors:  # no page of ours sends that
        return redirect("second-factor")
    app = opened(user, form["sealed"].value())
    if request.method == "POST" and form.is_valid():
        codes = factor_set(user, app, step=form.step)
        if not codes:
            return redirect("second-factor")
        note(What.FACTOR_SET, user.pk, request=request)
        # In the others nobody gave a code.
        sessions_of(user).exclude(pk=session_digest(request.session.session_key)).delete()
        return _recovery_codes(request, codes)
    site = settings.SITE.partition("//")[2] or request.get_host()
    address = app.provisioning_uri(name=f"{user.username}@{site}", issuer_name="Agenda")
    picture = segno.make(address).svg_inline(scale=5, light="#fff")
    context = {
        "form": form,
        "secret": " ".join(wrap(app.secret, 4)),
        "address": address,
        "picture": mark_safe(picture),  # noqa: S308 - squares, made by segno
    }
    return _page(request, context)


def _recovery_codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    then = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(then, allowed_hosts=None):
        then = reverse("account")
    return render(request, "accounts/recovery_codes.html", {"codes": codes, "then": then})


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    status = 422 if context["form"].errors else 200
    return render(request, "accounts/second_factor.html", context, status=status)
