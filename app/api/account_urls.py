"""The page of a user's tokens, below /agenda/account/tokens/."""

from __future__ import annotations

from django.urls import path

from api import account_views

urlpatterns = [
    path("", account_views.tokens, name="tokens"),
    path("<uuid:token_id>/revoke/", account_views.revoke, name="token-revoke"),
]
