"""Run by `make admin`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.urls import reverse
from django.utils import timezone

from accounts.audit import What, note
from accounts.services import first_admin_link_create


class Command(BaseCommand):
    help = "Print the path of a single-use link that makes an administrator. Never a password."

    def handle(self, **options: Any) -> None:
        note(What.ADMIN_LINK, None, request=None)
        token = first_admin_link_create(at=timezone.now())
        self.stdout.write(reverse("first-admin", args=[token]))
