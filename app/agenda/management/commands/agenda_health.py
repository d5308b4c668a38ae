"""What /readyz says, on a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.health import forgetting, report


class Command(BaseCommand):
    help = "Say for each part whether it is well; exit 1 when one is not."

    def handle(self, **options: Any) -> None:
        lines = report() | {"forgetting": forgetting()}
        for name, line in lines.items():
            self.stdout.write(f"{name}: {line}")
        if any(line != "ok" for line in lines.values()):
            raise CommandError("the agenda is not well")
