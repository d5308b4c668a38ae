"""Every way a task is written. Called by views, the API and commands; calls no view."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from agenda.clock import LAST_INSTANT, one_day_later
from agenda.identity import uuid7
from agenda.letters import says_something
from agenda.models import Task
from speech import services as speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a person says of a task; `deadline_at` is aware."""

    title: str
    notes: str = ""
    deadline_at: datetime
    is_private: bool = False

    def fields(self) -> dict[str, Any]:
        return {
            "title": " ".join(self.title.split()),
            "notes": self.notes.replace("\r\n", "\n").strip(),
            "deadline_at": self.deadline_at,
            "is_private": self.is_private,
        }


def task_add(
    *, owner_id: UUID, wording: Wording, at: datetime, identity: UUID | None = None
) -> Task:
    """Save a new task. Raises ValidationError, with a message per field, and saves nothing.

    `identity` was given out with the empty form: the same words sent twice are one task, other
    words (somebody went back and wrote on) are another.
    """
    fields = _checked(wording, at=at)
    task = Task(id=identity or uuid7(), owner_id=owner_id, created_at=at, **fields)
    try:
        with transaction.atomic():
            task.save(force_insert=True)
    except IntegrityError:
        before = Task.objects.filter(id=task.id, owner_id=owner_id, **fields).first()
        if before is not None:
            return before
        task.id = uuid7()
        task.save(force_insert=True)
    speech.forget(day_subject(owner_id))
    return task


def task_edit(*, task: Task, wording: Wording, at: datetime) -> bool:
    """Change a task in one statement; False when it is no longer there to be changed."""
    fields = _checked(wording, at=at)
    found = Task.objects.of(task.owner_id).live(at=at).filter(id=task.id).update(**fields)
    _forget_speech(task.id, task.owner_id)
    return bool(found)


def task_remove(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    """Take a task away; its owner has a moment to restore it. False when there is none."""
    found = Task.objects.of(owner_id).live(at=at).filter(id=task_id).update(removed_at=at)
    _forget_speech(task_id, owner_id)
    return bool(found)


def task_restore(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    found = Task.objects.of(owner_id).restorable(at=at).filter(id=task_id).update(removed_at=None)
    speech.forget(day_subject(owner_id))
    return bool(found)


def task_keep(*, owner_id: UUID, task_id: UUID, seen_at: datetime, at: datetime) -> bool:
    """Give a task one more day on the wall clock. Sent twice it is still one day: the deadline that
    was seen must be the one that is there.
    """
    zone = ZoneInfo(timezone.get_current_timezone_name())
    later = one_day_later(seen_at, zone=zone)
    here = Task.objects.of(owner_id).live(at=at).filter(id=task_id)
    found = here.filter(deadline_at=seen_at).update(deadline_at=min(later, LAST_INSTANT))
    _forget_speech(task_id, owner_id)
    return bool(found) or here.filter(deadline_at=later).exists()


def day_subject(owner_id: UUID) -> str:
    """How speech calls a user's day."""
    return f"day:{owner_id}"


def _forget_speech(task_id: UUID, owner_id: UUID) -> None:
    speech.forget(str(task_id))
    speech.forget(day_subject(owner_id))


def _checked(wording: Wording, *, at: datetime) -> dict[str, Any]:
    fields = wording.fields()
    task = Task(**fields)
    errors: dict[str, Any] = {}
    try:
        task.clean_fields(exclude=["owner", "created_at", "removed_at"])
    except ValidationError as error:
        errors = error.error_dict
    if not says_something(fields["title"]):
        errors["title"] = _("Say what is to be done.")
    if wording.deadline_at <= at:
        errors["deadline_at"] = _("This moment has passed. Choose a later one.")
    elif wording.deadline_at > LAST_INSTANT:
        errors["deadline_at"] = _("Choose a deadline before the year 9999.")
    if errors:
        raise ValidationError(errors)
    return fields
