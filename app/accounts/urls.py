"""The addresses of accounts, all below /agenda/."""

from __future__ import annotations

from django.urls import path

from accounts import access, views
from accounts.second_factor_views import second_factor

urlpatterns = [
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-in/code/", views.CodeView.as_view(), name="sign-in-code"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("reset/", views.reset, name="reset"),
    path("reset/sent/", views.reset_sent, name="reset-sent"),
    path("reset/<str:uidb64>/<str:token>/", views.ResetLinkView.as_view(), name="reset-link"),
    path("first-admin/<str:token>/", views.first_admin, name="first-admin"),
    path("account/", views.account, name="account"),
    path(
        "account/password/",
        access.sign_in_required(views.PasswordView.as_view()),
        name="password",
    ),
    path("account/second-factor/", second_factor, name="second-factor"),
    path("account/email/", views.email, name="email"),
    path("account/sessions/", views.sessions, name="sessions"),
    path("account/export/", views.export_all, name="export"),
    path("account/calendar/", views.calendar, name="calendar"),
    path("account/leave/", views.leave, name="leave"),
    path("account/voice/", views.voice, name="voice"),
    path("language/", views.language, name="language"),
]
