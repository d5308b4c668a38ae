"""The addresses of accounts, all below /agenda/."""

from __future__ import annotations

from django.urls import path

from accounts import views
from accounts.access import sign_in_required, written
from accounts.second_factor_views import second_factor

urlpatterns = [
    path("sign-in/", written(views.SignInView.as_view()), name="sign-in"),
    path("sign-in/code/", written(views.CodeView.as_view()), name="sign-in-code"),
    path("sign-out/", written(views.SignOutView.as_view()), name="sign-out"),
    path("sign-up/", written(views.sign_up), name="sign-up"),
    path("reset/", views.reset, name="reset"),
    path("reset/sent/", views.reset_sent, name="reset-sent"),
    path(
        "reset/<str:uidb64>/<str:token>/", written(views.ResetLinkView.as_view()), name="reset-link"
    ),
    path("first-admin/<str:token>/", written(views.first_admin), name="first-admin"),
    path("account/", written(views.account), name="account"),
    path(
        "account/password/",
        written(sign_in_required(views.PasswordView.as_view())),
        name="password",
    ),
    path("account/second-factor/", written(second_factor), name="second-factor"),
    path("account/email/", written(views.email), name="email"),
    path("account/sessions/", written(views.sessions), name="sessions"),
    path("account/export/", written(views.export_all), name="export"),
    path("account/calendar/", written(views.calendar), name="calendar"),
    path("account/leave/", written(views.leave), name="leave"),
    path("account/voice/", written(views.voice), name="voice"),
    path("language/", written(views.language), name="language"),
]
