"""Run by `make audit`."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import AuditLine, User, normal_name
from agenda.clock import zone_here


class Command(BaseCommand):
    help = (
        "Print what happened to accounts, oldest first: no word of what is in them is known here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", default="", help="a day or an instant, as 2026-11-30T08:00")
        parser.add_argument("--name", default="", help="of one account alone")
        parser.add_argument("--json", action="store_true", dest="as_json", help="for machines")

    def handle(self, *, since: str, name: str, as_json: bool, **options: Any) -> None:
        lines = AuditLine.objects.order_by("at")
        if since:
            lines = lines.filter(at__gte=_instant(since))
        names: dict[UUID | None, str] = dict(User.objects.values_list("pk", "username"))
        if name:
            wanted = [pk for pk, known in names.items() if known == normal_name(name)]
            lines = lines.filter(account_id__in=wanted)
        rows = [_row(line, names.get(line.account_id, "")) for line in lines.iterator()]
        if as_json:
            self.stdout.write(json.dumps({"lines": rows}, ensure_ascii=False, indent=1))
            return
        for row in rows:
            self.stdout.write("  ".join(word for word in row.values() if word))


def _row(line: AuditLine, name: str) -> dict[str, str]:
    return {
        "at": timezone.localtime(line.at, zone_here()).isoformat(timespec="seconds"),
        "account": name or str(line.account_id or ""),
        "what": line.what,
        "address": line.address,
        "detail": line.detail,
    }


def _instant(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(
            f"{text!r} is no day and no instant\n"
            "  Next: give SINCE= as 2026-11-30 or 2026-11-30T08:00"
        )
    return found if found.tzinfo else found.replace(tzinfo=zone_here())
