"""Where a user makes and revokes tokens: a page, because making one needs a sign-in. Its addresses
are below /agenda/account/tokens/.
"""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import sign_in_required, signed_in, written
from accounts.audit import What, note
from accounts.forms import PasswordAgain
from api.models import NAME_LENGTH_MAX, Token
from api.services import TOKEN_DAYS_MAX, Order, token_create, token_revoke

MONTH = 30


SCOPE_WORDS = {
    "read": gettext_lazy("read tasks and hear them"),
    "create": gettext_lazy("add tasks"),
    "write": gettext_lazy("change and remove tasks, revoke tokens"),
}


class TokenForm(PasswordAgain):
    name = forms.CharField(
        label=gettext_lazy("What it is for"),
        max_length=NAME_LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may do"),
        choices=list(SCOPE_WORDS.items()),
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        error_messages={"required": gettext_lazy("Choose at least one.")},
    )
    days = forms.IntegerField(
        label=gettext_lazy("For how many days"),
        min_value=1,
        max_value=TOKEN_DAYS_MAX,
        initial=3 * MONTH,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), gettext_lazy("Choose 1 to 365 days.")
        ),
    )

    def order(self) -> Order:
        data = self.cleaned_data
        return Order(name=data["name"], scopes=data["scopes"], days=data["days"])


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
def tokens(request: HttpRequest) -> HttpResponse:
    """The list, the form; after a token is made, its text: once, here, and never again."""
    user, text = signed_in(request), ""
    form = TokenForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            token, text = token_create(form.order(), owner_id=user.pk, at=timezone.now())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            note(What.TOKEN_MADE, user.pk, request=request, detail=f"…{token.hint}")
            form = TokenForm(request)
    made = [
        (token, [SCOPE_WORDS[scope] for scope in token.scope_list])
        for token in Token.objects.filter(owner_id=user.pk)
    ]
    context = {"form": form, "text": text, "tokens": made, "most": settings.MOST_TOKENS}
    response = render(request, "api/tokens.html", context, status=422 if form.errors else 200)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@sign_in_required
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    if not token_revoke(owner_id=signed_in(request).pk, token_id=token_id):
        raise Http404("no such token")
    note(What.TOKEN_REVOKED, request.user.pk, request=request)
    messages.success(request, _("The token is revoked."))
    return redirect("tokens")


urlpatterns = [
    path("", written(tokens), name="tokens"),
    path("<uuid:token_id>/revoke/", written(revoke), name="token-revoke"),
]
