"""Run by `make verify`, by drills, and before a new release gets traffic."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.models import User
from accounts.services import probe_create, probes_remove
from api.models import SCOPES
from api.services import Order, token_create


def _token(username: str) -> str:
    """For a day, to do everything with: it goes with its account."""
    owner = User.objects.get_by_natural_key(username)
    order = Order(name="probe", scopes=list(SCOPES), days=1)
    return token_create(order, owner_id=owner.pk, at=timezone.now())[1]


class Command(BaseCommand):
    help = "Make or remove a one-time account of ours; works with closed sign-up too."
    # They take as long as the rest, and `migrate` makes them when a release is brought.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["create", "remove"])
        purposes = ["verify", "api", "drill", "release"]
        parser.add_argument("--purpose", choices=purposes, default="verify")

    def handle(self, *, action: str, purpose: str, **options: Any) -> None:
        if action == "create":
            probe = probe_create(purpose)
            if settings.API_ENABLED:
                probe["token"] = _token(probe["username"])
            self.stdout.write(json.dumps(probe))
            return
        self.stdout.write(f"removed {probes_remove(purpose)} probe account(s)")
