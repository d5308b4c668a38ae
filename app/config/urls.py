"""Every address of the agenda."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.views import admin_sign_in
from config import errors, health

urlpatterns = [
    path("", RedirectView.as_view(url="/agenda")),
    path("", include("agenda.urls")),
    path("agenda/", include("accounts.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/login/", admin_sign_in),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("admin/", admin.site.urls),
]

if settings.API_ENABLED:  # api.middleware answers for it where it is off
    urlpatterns += [
        path("api/v1/", include("api.v1")),
        path("agenda/account/tokens/", include("api.account_views")),
    ]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
