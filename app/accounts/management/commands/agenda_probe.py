"""Run by `make verify`."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.services import probe_create, probes_remove


class Command(BaseCommand):
    help = "Make or remove the one-time account of `make verify`; works with closed sign-up too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["create", "remove"])

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "create":
            self.stdout.write(json.dumps(probe_create()))
            return
        self.stdout.write(f"removed {probes_remove()} probe account(s)")
