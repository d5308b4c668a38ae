"""Run by `make verify`, by drills, and before a new release gets traffic."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.services import probe_create, probes_remove


class Command(BaseCommand):
    help = "Make or remove a one-time account of ours; works with closed sign-up too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["create", "remove"])
        parser.add_argument("--purpose", choices=["verify", "drill", "release"], default="verify")

    def handle(self, *, action: str, purpose: str, **options: Any) -> None:
        if action == "create":
            self.stdout.write(json.dumps(probe_create(purpose)))
            return
        self.stdout.write(f"removed {probes_remove(purpose)} probe account(s)")
