"""Run by `make import` (rollout/imports.py): accounts and tasks of an old agenda, from stdin.

JSON in: `name` of the old agenda; `users` with key, username, password (a hash of Django's), and
what is known of email, first_name, last_name, is_active, date_joined; `tasks` with key, owner (a
key or a name), title, notes, deadline_at (ISO 8601, or null), is_done, priority, tags.
JSON out: how many of each came, or did not and why.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.contrib.auth.hashers import identify_hasher, make_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone
from django.utils.translation import override

from accounts.models import User, normal_name
from agenda import erased
from agenda.clock import instant_or_later, zone_here
from agenda.models import NOTES_LENGTH_MAX, TITLE_LENGTH_MAX, Task
from agenda.services import TaskInput, task_add
from agenda.tags import TAGS_MAX, tag_names

NAMESPACE = UUID("6f0c1c0e-6e0b-5d0a-9d0f-2f5b7a1c4e11")
ITERATIONS_MOST = 2_000_000
SHOWN = 20


class Command(BaseCommand):
    help = "Add the accounts and tasks read from standard input; those that are there stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="take everything back")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        given = json.load(sys.stdin)
        # Remarks are for operators, whatever the site speaks.
        with transaction.atomic(), override("en"):
            told = Import(given["name"], at=timezone.now()).run(given["users"], given["tasks"])
            transaction.set_rollback(dry_run)
        self.stdout.write(json.dumps(told))


class Import:
    """Identities follow from the old agenda's name and keys, so that nothing comes twice."""

    def __init__(self, name: str, *, at: datetime) -> None:
        self.name, self.at = name, at
        gone = erased.fates(erased.lines())
        self.erased = {row for rows in gone.erased.values() for row in rows} | gone.ended
        self.remarks: list[str] = []
        # Key and name in the old agenda -> account here.
        self.owners: dict[str, UUID] = {}

    def run(self, users: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> dict[str, Any]:
        accounts = Counter(self._account(one) for one in users)
        added: list[UUID] = []
        came = Counter(self._task(one, added) for one in tasks)
        ids = set(self.owners.values())
        return {
            "accounts": accounts,
            "tasks": came,
            "remarks": self.remarks[:SHOWN]
            + ([f"and {len(self.remarks) - SHOWN} more"] if len(self.remarks) > SHOWN else []),
            # Asked of the database once more, against what was said above.
            "counted": [
                User.objects.filter(pk__in=ids).count() - accounts["there already"],
                sum(
                    Task.objects.filter(pk__in=added[first : first + 1000]).count()
                    for first in range(0, len(added), 1000)
                ),
            ],
        }

    def _identity(self, kind: str, key: str) -> UUID:
        return uuid5(NAMESPACE, f"{self.name}\0{kind}\0{key}")

    def _account(self, one: dict[str, Any]) -> str:
        identity, name = self._identity("user", one["key"]), normal_name(one["username"])
        if str(identity) in self.erased:
            return "left since"
        if User.objects.filter(pk=identity).exists():
            self._is_here(one, identity)
            return "there already"
        if User.objects.filter(username=name).exists():
            self.remarks.append(f"account {one['username']}: that name is somebody's here")
            return "whose name is taken"
        text = {field: one.get(field, "") for field in ("email", "first_name", "last_name")}
        joined = one.get("date_joined")
        user = User(
            id=identity,
            username=name,
            password=self._password(one),
            is_active=one.get("is_active", True),
            date_joined=datetime.fromisoformat(joined) if joined else self.at,
            **text,
        )
        try:
            user.clean_fields()
        except ValidationError as error:
            self.remarks.append(f"account {one['username']}: {_said(error)}")
            return "refused"
        user.save(force_insert=True)
        self._is_here(one, identity)
        return "new"

    def _is_here(self, one: dict[str, Any], identity: UUID) -> None:
        self.owners |= {one["key"]: identity, one["username"]: identity}

    def _password(self, one: dict[str, Any]) -> str:
        """The hash as it is, where it can be checked here: the next sign-in makes it Argon2."""
        encoded: str = one["password"]
        try:
            summary = identify_hasher(encoded).decode(encoded)
            if int(summary.get("iterations") or 0) <= ITERATIONS_MOST:
                return encoded
        except (ValueError, KeyError, TypeError, AssertionError):
            pass
        self.remarks.append(f"account {one['username']}: its password is of no kind that is known")
        return make_password(None)

    def _task(self, one: dict[str, Any], added: list[UUID]) -> str:
        identity = self._identity("task", one["key"])
        owner = self.owners.get(one["owner"])
        if owner is None:
            return "of accounts left out"
        if str(identity) in self.erased:
            return "erased since"
        if Task.objects.filter(pk=identity).exists():
            return "there already"
        deadline_at = _instant(one["deadline_at"]) if one["deadline_at"] else None
        why_not = "done" if one["is_done"] else "" if deadline_at else "without a deadline"
        if why_not or deadline_at is None:
            return why_not
        return self._added(one, owner, identity, deadline_at, added)

    def _added(
        self,
        one: dict[str, Any],
        owner: UUID,
        identity: UUID,
        deadline_at: datetime,
        added: list[UUID],
    ) -> str:
        if deadline_at <= self.at:
            return "over"
        title, notes = " ".join(one["title"].split()), one["notes"]
        if len(title) > TITLE_LENGTH_MAX:
            title, notes = title[: TITLE_LENGTH_MAX - 1] + "…", f"{title}\n\n{notes}".strip()
        try:
            if not title or len(notes) > NOTES_LENGTH_MAX:
                raise ValidationError("no title" if not title else f"notes of {len(notes)} letters")
            # A savepoint: what is refused after it was written is taken back alone.
            with transaction.atomic():
                given = TaskInput(
                    title=title,
                    notes=notes,
                    deadline_at=deadline_at,
                    tags=tag_names(one["tags"])[0][:TAGS_MAX],
                    priority=one["priority"],
                )
                task_add(owner_id=owner, given=given, at=self.at, identity=identity)
        except ValidationError as error:
            self.remarks.append(f"task {one['key']}: {_said(error)}")
            return "refused"
        added.append(identity)
        return "new"


def _instant(text: str) -> datetime:
    """Without a zone it is this site's wall clock."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else instant_or_later(found, zone=zone_here())


def _said(error: ValidationError) -> str:
    return " ".join(error.messages)
