"""All that the agenda holds of somebody, as data of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from accounts.audit import lines_of
from accounts.models import User
from accounts.services import sessions_of
from agenda.calendar import TaskTold, task_told
from agenda.models import Priority
from agenda.portions import portions


def export(user: User, *, at: datetime) -> Iterator[str]:
    """What is live, as JSON; what has been forgotten is forgotten here too. No secret is in it."""
    names = (
        *("username", "email", "language", "time_zone", "voice", "voice_speed"),
        *("quiet_from", "quiet_until", "has_shortcuts", "lead_minutes"),
        *("date_joined", "last_login", "listened_at"),
    )
    found = {
        "exported_at": at,
        "account": {name: getattr(user, name) for name in names},
        "second_factor": {
            "is_on": bool(user.factor_sealed),
            "recovery_codes_left": len(user.recovery_digests.split()),
        },
        "sessions": [
            {name: getattr(session, name) for name in ("device", "began_at", "seen_at")}
            for session in sessions_of(user)
        ],
        "audit": list(lines_of(user).values("at", "what", "address", "detail")),
        "tokens": list(
            user.tokens.values("name", "scopes", "created_at", "expires_at", "last_used_at")
        ),
    }
    encoder = DjangoJSONEncoder(ensure_ascii=False)
    yield f'{encoder.encode(found)[:-1]}, "tasks": ['
    told = chain.from_iterable(portions(user.pk, TaskTold._fields, task_told))
    for number, task in enumerate(told):
        yield f"{',' if number else ''}\n{encoder.encode(_task(task))}"
    yield "\n]}\n"


def _task(task: TaskTold) -> dict[str, Any]:
    names = ("id", "title", "notes", "deadline_at", "is_private", "created_at")
    return {name: getattr(task, name) for name in names} | {
        "tags": task.tags.split(),
        "priority": Priority(task.priority).name.lower(),
        "repeat": task.repeats or None,
    }
