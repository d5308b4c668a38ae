"""Run by `make verify`, by drills, and before a new release gets traffic."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.models import User
from accounts.services import probe_create, probe_remove, probes_remove
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
        parser.add_argument("--username", help="remove this one; without it, all of the purpose")

    def handle(self, *, action: str, purpose: str, username: str | None, **options: Any) -> None:
        if action == "create":
            self.stdout.write(json.dumps(_created(purpose)))
            return
        removed = probe_remove(username) if username else probes_remove(purpose)
        self.stdout.write(f"removed {removed} probe account(s)")


def _created(purpose: str) -> dict[str, Any]:
    """How to sign in, and the words that remove it: releases before 1.0 give none, and remove all
    of the purpose without them.
    """
    now = timezone.now()
    probe: dict[str, Any] = probe_create(purpose, at=now)
    if settings.API_ENABLED:
        probe["token"] = _token(probe["username"])
    return {**probe, "remove": ["remove", f"--username={probe['username']}"]}
