"""Every address of a process that is the REST server alone."""

from __future__ import annotations

from django.urls import include, path

from config import health

urlpatterns = [
    path("api/v1/", include("api.v1")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
