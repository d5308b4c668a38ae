"""All that the agenda holds of somebody, as data of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from accounts.services import sessions_of
from agenda.models import Priority, Task


def export(user: User, *, at: datetime) -> dict[str, Any]:
    """What is live; what has been forgotten is forgotten here too. No secret is in it."""
    tasks = Task.objects.of(user.pk).live(at=at).by_deadline()
    names = (
        *("username", "email", "language", "time_zone", "voice", "quiet_from", "quiet_until"),
        *("date_joined", "last_login", "listened_at"),
    )
    return {
        "exported_at": at,
        "account": {name: getattr(user, name) for name in names},
        "sessions": [
            {name: getattr(session, name) for name in ("device", "began_at", "seen_at")}
            for session in sessions_of(user)
        ],
        "tokens": list(
            user.tokens.values("name", "scopes", "created_at", "expires_at", "last_used_at")
        ),
        "tasks": [_task(task) for task in tasks],
    }


def _task(task: Task) -> dict[str, Any]:
    names = ("id", "title", "notes", "deadline_at", "is_private", "created_at")
    return {name: getattr(task, name) for name in names} | {
        "tags": task.tag_names,
        "priority": Priority(task.priority).name.lower(),
        "repeat": task.repeats or None,
    }
