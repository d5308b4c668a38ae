"""For whoever restores a backup: what must not come back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from agenda import erased
from agenda.models import Task


class Command(BaseCommand):
    help = "Print the ids of what this host has erased, and of tasks taken away a moment ago."

    def handle(self, **options: Any) -> None:
        for line in erased.lines():
            self.stdout.write(line)
        try:
            waiting = Task.objects.exclude(removed_at=None).values_list("id", "repeat")
            for task, repeat in waiting:
                self.stdout.write(f"{erased.TASK} {task}{f' {erased.NEXT}' if repeat else ''}")
        except DatabaseError as error:
            # The journal counts without the database: it may be the very thing that was lost.
            self.stderr.write(f"tasks taken away in the last minute are not listed: {error}")
