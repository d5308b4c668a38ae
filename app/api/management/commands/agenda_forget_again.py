"""Run on a restored database, before anybody can see it."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model
from django.utils import timezone

from accounts.audit import What, note
from accounts.models import AuditLine, FirstAdminLink, Session, User
from agenda import erased
from agenda.forgetting import tasks_forget
from agenda.models import Task, removal_grace
from api.services import tombstones_add
from config.retry import retried

ROWS_A_CHUNK = 500
WAIT_S = 60


class Command(BaseCommand):
    help = "Erase the ids read from standard input, what has expired since, and every session."

    def handle(self, **options: Any) -> None:
        at = timezone.now()
        again = 0
        fates = erased.fates(sys.stdin)
        for label, ids in fates.erased.items():
            again += _erase(apps.get_model(label), sorted(ids))
        users = fates.erased.get(User._meta.label_lower, set())
        AuditLine.objects.filter(account_id__in=users).delete()
        Task.objects.filter(pk__in=fates.ended).update(removed_at=at - removal_grace())
        # A session or link that was ended since must not open anything again.
        sessions = Session.objects.all().delete()[0]
        FirstAdminLink.objects.all().delete()
        note(What.RESTORED, None, request=None)
        tombstones_add(at=at)
        expired = self._expired(at)
        self.stdout.write(f"erased again: {again}; expired since: {expired}; sessions: {sessions}")

    def _expired(self, at: datetime) -> int:
        """The timer of another host erases under the same lease: wait for it."""
        for _ in range(WAIT_S):
            forgotten = tasks_forget(at=at)
            if not forgotten.is_elsewhere:
                return forgotten.tasks
            time.sleep(1)
        raise CommandError("another run has been erasing for a minute: run this again")


def _erase(model: type[Model], ids: list[str]) -> int:
    """Count of rows erased, those that belonged to them included."""
    total = 0
    for first in range(0, len(ids), ROWS_A_CHUNK):
        total += _erase_chunk(model, ids[first : first + ROWS_A_CHUNK])
    return total


@retried
def _erase_chunk(model: type[Model], ids: list[str]) -> int:
    return model._default_manager.filter(pk__in=ids).delete()[0]
