"""Run by `make demo`."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.models import User
from accounts.services import account_create, account_remove
from agenda.services import Wording, task_add

NAME = "demo"
# Days from today and hour on the wall clock; None: minutes from now.
WEEK: list[tuple[str, str, int | None, float, bool]] = [
    ("Appeler la scolarité", "02 32 95 97 00, avant la fermeture", None, 25, False),
    ("Rendre le TP 3 de réseaux", "Sur Moodle, un seul PDF", None, 200, False),
    (
        "Réviser les VLAN pour l’oral",
        "Chapitres 4 à 6, salle B2.04 si elle est libre",
        1,
        9.5,
        False,
    ),
    ("Rendez-vous chez le médecin", "", 1, 17.25, True),
    ("Rendre les livres à la bibliothèque", "", 2, 18, False),
    ("Réunion de projet CTLV", "Préparer la démonstration", 3, 14.5, False),
    ("Inscription aux examens", "Ne pas oublier le certificat de langue", 6, 12, False),
    ("Soutenance du projet", "15 minutes, puis questions", 12, 10, False),
]


class Command(BaseCommand):
    help = "Fill an account named demo with a believable week; an older one is replaced."

    def handle(self, **options: Any) -> None:
        for old in User.objects.filter(username=NAME):
            account_remove(old)
        password = secrets.token_urlsafe(12)
        owner = account_create(username=NAME, password=password)
        at = timezone.now()
        for title, notes, days, when, is_private in WEEK:
            wording = Wording(
                title=title,
                notes=notes,
                deadline_at=_deadline(at, days, when),
                is_private=is_private,
            )
            task_add(owner_id=owner.pk, wording=wording, at=at)
        self.stdout.write(f"demo: {len(WEEK)} tasks; sign in as {NAME} with {password}")


def _deadline(at: datetime, days: int | None, when: float) -> datetime:
    if days is None:
        return (at + timedelta(minutes=when)).replace(second=0, microsecond=0)
    midnight = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days, hours=when)
