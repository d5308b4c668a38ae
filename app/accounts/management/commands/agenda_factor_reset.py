"""Run by `make factor-reset`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import What, note
from accounts.models import User, normal_name
from accounts.second_factor import factor_remove
from accounts.services import sessions_of


class Command(BaseCommand):
    help = "Remove somebody's lost second factor, and sign them out everywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **options: Any) -> None:
        user = User.objects.filter(username=normal_name(username)).first()
        if user is None or not user.factor_sealed:
            raise CommandError(
                f"no account named {username!r} has a second factor\n"
                "  Next: give NAME= the name that they sign in with"
            )
        factor_remove(user)
        note(What.FACTOR_RESET, user.pk, request=None)
        sessions_of(user).delete()
        self.stdout.write(f"{user.username} is signed out, and signs in with the password alone")
