"""The addresses of version 1, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from api import docs
from api.v1 import api

urlpatterns = [
    path("", docs.index, name="api-index"),
    path("openapi.json", docs.contract, name="api-contract"),
    path("docs", docs.page, name="api-docs"),
    path("docs.css", docs.style),
    path("", api.urls),
]
