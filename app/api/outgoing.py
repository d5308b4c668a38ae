"""Tasks and tokens as JSON-ready values. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from agenda.models import Priority, Task
from api.models import Token

PRIORITIES = {priority.value: priority.name.lower() for priority in Priority}


class Row(NamedTuple):
    """A task as it goes out, without the cost of a model: a dump has many."""

    id: UUID
    title: str
    notes: str
    deadline_at: datetime
    is_private: bool
    tags: str
    priority: int
    repeat: str
    created_at: datetime

    @property
    def tag_names(self) -> list[str]:
        return self.tags.split()


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def task_out(task: Task | Row) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "title": task.title,
        "notes": task.notes,
        "deadline_at": instant(task.deadline_at),
        "private": task.is_private,
        "tags": task.tag_names,
        "priority": PRIORITIES[task.priority],
        "repeat": task.repeat or None,
        "created_at": instant(task.created_at),
    }


def token_out(token: Token) -> dict[str, Any]:
    last = token.last_used_at
    return {
        "id": str(token.id),
        "name": token.name,
        "scopes": token.scope_list,
        "hint": token.hint,
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "last_used_at": instant(last.replace(second=0, microsecond=0)) if last else None,
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
