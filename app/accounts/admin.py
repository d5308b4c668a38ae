"""What operators see at /admin: accounts, never anybody's tasks."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.services import account_remove


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg] # generic to mypy only
    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("username", "email")
    fieldsets = (
        (None, {"fields": ("username", "password", "email")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        (
            "Preferences",
            {
                "fields": (
                    *("language", "time_zone", "voice"),
                    *("has_shortcuts", "quiet_from", "quiet_until"),
                )
            },
        ),
    )

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        account_remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            account_remove(user)
