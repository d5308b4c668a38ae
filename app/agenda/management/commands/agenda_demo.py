"""Run by `make demo`."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.reset import reset_path
from accounts.services import account_create, account_remove
from agenda.clock import instant_or_later
from agenda.models import Priority, Repeat
from agenda.services import Wording, task_add

NAME = "demo"
# In a field that nobody can write through a page: an account named demo may also be a person's.
MARK = "made by agenda_demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """`minutes` from now, or else `days` from today at `clock`."""

    title: str
    minutes: int = 0
    days: int = 0
    clock: tuple[int, int] = (0, 0)
    notes: str = ""
    tags: tuple[str, ...] = ()
    priority: int = Priority.NORMAL
    repeat: str = Repeat.NEVER
    is_private: bool = False


WEEK = [
    Example(
        title="Appeler la scolarité",
        notes="02 32 95 97 00, avant la fermeture",
        minutes=25,
        tags=("administration",),
        priority=Priority.IMPORTANT,
    ),
    Example(
        title="Rendre le TP 3 de réseaux",
        notes="Sur Moodle, un seul PDF",
        minutes=200,
        tags=("réseaux", "tp"),
        priority=Priority.URGENT,
    ),
    Example(
        title="Prendre le médicament",
        days=1,
        clock=(8, 0),
        repeat=Repeat.DAILY,
        is_private=True,
    ),
    Example(
        title="Réviser les VLAN pour l’oral",
        notes="Chapitres 4 à 6, salle B2.04 si elle est libre",
        days=1,
        clock=(9, 30),
        tags=("réseaux",),
    ),
    Example(title="Rendez-vous chez le médecin", days=1, clock=(17, 15), is_private=True),
    Example(title="Rendre les livres à la bibliothèque", days=2, clock=(18, 0)),
    Example(
        title="Réunion de projet CTLV",
        notes="Préparer la démonstration",
        days=3,
        clock=(14, 30),
        tags=("projet",),
        repeat=Repeat.WEEKLY,
    ),
    Example(
        title="Inscription aux examens",
        notes="Ne pas oublier le certificat de langue",
        days=6,
        clock=(12, 0),
        tags=("administration",),
    ),
    Example(
        title="Soutenance du projet",
        notes="15 minutes, puis questions",
        days=12,
        clock=(10, 0),
        tags=("projet",),
        priority=Priority.IMPORTANT,
    ),
    Example(
        title="Payer le loyer", days=20, clock=(20, 0), tags=("maison",), repeat=Repeat.MONTHLY
    ),
]


class Command(BaseCommand):
    help = "Fill an account named demo with a believable week; an older one is replaced."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--link",
            action="store_true",
            help="print the path of a single-use link to choose its password, never a password",
        )

    def handle(self, *, link: bool, **options: Any) -> None:
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            owner = _fresh_account(password)
            at = timezone.now()
            for example in WEEK:
                task_add(owner_id=owner.pk, wording=_wording(example, at=at), at=at)
        if link:
            self.stdout.write(reset_path(owner))
        else:
            self.stdout.write(f"demo: {len(WEEK)} tasks; sign in as {NAME} with {password}")


def _fresh_account(password: str) -> User:
    for old in User.objects.filter(username=NAME):
        if old.first_name != MARK:
            raise CommandError(
                f"somebody has an account named {NAME}\n"
                f"  Next: rename it at /admin, or do without the example; nothing was touched"
            )
        account_remove(old)
    return account_create(username=NAME, password=password, first_name=MARK)


def _wording(example: Example, *, at: datetime) -> Wording:
    return Wording(
        title=example.title,
        notes=example.notes,
        deadline_at=_deadline(example, at=at),
        is_private=example.is_private,
        tags=example.tags,
        priority=example.priority,
        repeat=example.repeat,
    )


def _deadline(example: Example, *, at: datetime) -> datetime:
    if example.minutes:
        return (at + timedelta(minutes=example.minutes)).replace(second=0, microsecond=0)
    day = timezone.localtime(at) + timedelta(days=example.days)
    hour, minute = example.clock
    wall = day.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    return instant_or_later(wall, zone=ZoneInfo(timezone.get_current_timezone_name()))
