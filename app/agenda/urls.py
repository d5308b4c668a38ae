"""The agenda's addresses. With and without the slash at the top; tasks by their UUID."""

from __future__ import annotations

from django.urls import path

from agenda import views

urlpatterns = [
    path("agenda", views.agenda, name="agenda"),
    path("agenda/", views.agenda),
]
