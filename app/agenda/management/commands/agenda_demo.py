"""Run by `make demo`."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from accounts.reset import reset_path
from accounts.services import account_create, account_remove
from agenda.clock import instant, zone_here
from agenda.quick_add.line import read_line
from agenda.services import TaskInput, task_add
from config.retry import retried

NAME = "demo"
# In a field that nobody can write through a page: an account named demo may also be a person's.
MARK = "made by agenda_demo"


# What quick add reads, and the notes.
WEEK = {
    "Appeler la scolarité dans 25 min #administration !": "02 32 95 97 00, avant la fermeture",
    "Rendre le TP 3 de réseaux dans 200 min #réseaux #tp !!": "Sur Moodle, un seul PDF",
    "Prendre le médicament tous les jours 8h #santé": "",
    "Réviser les VLAN pour l’oral demain 9h30 #réseaux": "Chapitres 4 à 6, salle B2.04",
    "Rendez-vous chez le médecin demain 17h15 #santé": "",
    "Rendre les livres à la bibliothèque dans 2 jours 18h": "",
    "Réunion de projet CTLV chaque jeudi 14h30 #projet": "Préparer la démonstration",
    "Inscription aux examens dans 6 jours midi #administration": "Avec le certificat de langue",
    "Soutenance du projet dans 12 jours 10h #projet !": "15 minutes, puis questions",
    "Payer le loyer chaque mois le 5 à 20h #maison": "",
}
PRIVATE = "santé"


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
        owner = _fill(password)
        if link:
            self.stdout.write(reset_path(owner))
        else:
            self.stdout.write(f"demo: {len(WEEK)} tasks; sign in as {NAME} with {password}")


@retried(whole=True)
def _fill(password: str) -> User:
    owner = _fresh_account(password)
    at = timezone.now()
    for words, notes in WEEK.items():
        task_add(owner_id=owner.pk, given=_task_input(words, notes, at=at), at=at)
    return owner


def _fresh_account(password: str) -> User:
    for old in User.objects.filter(username=NAME):
        if old.first_name != MARK:
            raise CommandError(
                f"somebody has an account named {NAME}\n"
                f"  Next: rename it at /admin, or do without the example; nothing was touched"
            )
        account_remove(old)
    return account_create(username=NAME, password=password, first_name=MARK)


def _task_input(words: str, notes: str, *, at: datetime) -> TaskInput:
    zone = zone_here()
    now = timezone.localtime(at).replace(tzinfo=None)
    line = read_line(words, at=now, language="fr", zone=zone)
    assert line.wall is not None, words  # noqa: S101 - tests read each of them
    return TaskInput(
        title=line.title,
        notes=notes,
        deadline_at=instant(line.wall, zone=zone),
        is_private=PRIVATE in line.tags,
        tags=line.tags,
        priority=line.priority,
        repeat=line.repeat,
    )
