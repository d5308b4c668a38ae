"""What /readyz says, on a terminal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.health import report


class Command(BaseCommand):
    help = "Say for each part whether the agenda can serve; exit 1 when one cannot."

    def handle(self, **options: Any) -> None:
        lines = report()
        for name, line in lines.items():
            self.stdout.write(f"{name}: {line}")
        if any(line != "ok" for line in lines.values()):
            raise CommandError("the agenda cannot serve")
