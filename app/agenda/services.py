"""Every way a task is written. Called by views, the API and commands; calls no view."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agenda.clock import LAST_INSTANT, instant_or_later, one_day_later, zone_here
from agenda.identity import uuid7
from agenda.models import Priority, Repeat, Task
from agenda.printable import says_something
from agenda.quotas import within_quota
from agenda.reminders import heard
from agenda.repeat import is_rule, next_deadline
from agenda.tags import TAG_LENGTH_MAX, TAGS_MAX, column_of, tag_names
from config.retry import retried
from speech import services as speech

HAS_PASSED = gettext_lazy("This moment has passed. Choose a later one.")
TOO_FAR = gettext_lazy("Choose a deadline before the year 9999.")
# What the next task of a series has of the one before.
AGAIN = (
    *("owner_id", "title", "notes", "is_private", "tags", "priority"),
    *("repeat", "repeat_rule", "repeat_from", "repeat_time"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInput:
    """What a person says of a task; `deadline_at` is aware, `tags` come with or without "#";
    `repeat` is a name or a rule.
    """

    title: str
    notes: str = ""
    deadline_at: datetime
    is_private: bool = False
    tags: Sequence[str] = ()
    priority: int = Priority.NORMAL
    repeat: str = Repeat.NEVER

    def columns(self) -> dict[str, Any]:
        return {
            "title": " ".join(self.title.split()),
            "notes": self.notes.replace("\r\n", "\n").strip(),
            "deadline_at": self.deadline_at,
            "is_private": self.is_private,
            "tags": column_of(tag_names(self.tags)[0]),
            "priority": self.priority,
            "repeat": Repeat.RULE if is_rule(self.repeat) else self.repeat,
            "repeat_rule": self.repeat if is_rule(self.repeat) else "",
        }


@retried(given={"identity": uuid7})
def task_add(
    *, owner_id: UUID, given: TaskInput, at: datetime, identity: UUID | None = None
) -> Task:
    """Save a new task. Raises ValidationError, with a message per field, and saves nothing.

    `identity` was given out with the empty form: the same words sent twice are one task, other
    words (somebody went back and wrote on) are another, whose id follows from them.
    """
    fields = _checked(given, at=at)
    task = Task(
        id=identity or uuid7(),
        owner_id=owner_id,
        created_at=at,
        changed_at=at,
        **heard(deadline_at=given.deadline_at, at=at),
        **fields,
        **_series(fields),
    )
    with within_quota(owner_id, is_new=True):
        try:
            with transaction.atomic():
                task.save(force_insert=True)
        except IntegrityError:
            other = uuid5(task.id, f"{owner_id} {fields}")
            known = Task.objects.filter(id__in=[task.id, other], owner_id=owner_id, **fields)
            if (before := known.first()) is not None:
                return before
            task.id = uuid7() if Task.objects.filter(id=other).exists() else other
            task.save(force_insert=True)
    speech.forget(day_subject(owner_id))
    return task


@retried
def task_edit(*, task: Task, given: TaskInput, at: datetime) -> bool:
    """Change a task in one statement; False when it is no longer there to be changed. A series
    goes on as it was unless its deadline or how often is changed.
    """
    fields = _checked(given, at=at)
    if fields["deadline_at"] != task.deadline_at:
        fields |= heard(deadline_at=given.deadline_at, at=at)
    if (fields["deadline_at"], given.repeat) != (task.deadline_at, task.repeats):
        fields |= _series(fields)
    fields |= {"moved_from": None, "changed_at": at}
    grows = len(fields["notes"].encode()) > len(task.notes.encode())
    with within_quota(task.owner_id, is_new=False) if grows else nullcontext():
        found = Task.objects.of(task.owner_id).live(at=at).filter(id=task.id).update(**fields)
    _forget_speech(task.id, task.owner_id)
    return bool(found)


def task_remove(*, owner_id: UUID, task_id: UUID, at: datetime, for_good: bool = False) -> bool:
    """Take a task away; its owner has a moment to restore it. False when there is none. A repeating
    task comes back at its next time, unless it goes `for_good`.
    """
    fields: dict[str, Any] = {"repeat": Repeat.NEVER} if for_good else {}
    return _take_away(owner_id, task_id, at=at, **fields)


def task_done(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    """As task_remove, of what is done: of a series this occurrence alone."""
    return _take_away(owner_id, task_id, at=at, is_done=True)


@retried
def _take_away(owner_id: UUID, task_id: UUID, *, at: datetime, **fields: Any) -> bool:
    fields = {"removed_at": at, "changed_at": at, "moved_from": None, "is_done": False} | fields
    found = Task.objects.of(owner_id).live(at=at).filter(id=task_id).update(**fields)
    _forget_speech(task_id, owner_id)
    return bool(found)


@retried
def series_end(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    """Let a repeating task that was just taken away not come back."""
    removed = Task.objects.of(owner_id).restorable(at=at).filter(id=task_id)
    return bool(removed.update(repeat=Repeat.NEVER, changed_at=at))


@retried
def task_restore(*, owner_id: UUID, task_id: UUID, at: datetime) -> datetime | None:
    """Undo: bring back what was removed or done or, within the site's grace, forgotten; or give a
    task that was moved its deadline back. Return until when it is there; None when there is nothing
    to undo. A deadline that has passed becomes tomorrow's.
    """
    mine = Task.objects.of(owner_id).filter(id=task_id)
    task = (mine.restorable(at=at) | mine.recent(at=at) | mine.moved(at=at)).first()
    if task is None:
        return None
    is_live = task.removed_at is None and task.deadline_at > at
    deadline_at = (is_live and task.moved_from) or task.deadline_at
    if deadline_at <= at:
        # Its time of day, tomorrow, on the clocks of who brings it back.
        wall = timezone.localtime(deadline_at).time()
        day = timezone.localtime(at).date() + timedelta(days=1)
        deadline_at = instant_or_later(datetime.combine(day, wall), zone=zone_here())
    is_moved = deadline_at != task.deadline_at
    found = mine.filter(deadline_at=task.deadline_at).update(
        removed_at=None,
        is_done=False,
        moved_from=None,
        changed_at=at,
        deadline_at=deadline_at,
        **(heard(deadline_at=deadline_at, at=at) if is_moved else {}),
    )
    _forget_speech(task_id, owner_id)
    return deadline_at if found else None


@retried
def task_keep(
    *, owner_id: UUID, task_id: UUID, seen_at: datetime, at: datetime, until: datetime | None = None
) -> bool:
    """Give a task time `until` then, or one more day on the wall clock; its owner has a moment to
    undo it. Sent twice it is still one day: the deadline that was seen must be the one that is
    there. Of a series it is this occurrence alone. False when there is none that can end then.
    """
    later = min(until or one_day_later(seen_at, zone=zone_here()), LAST_INSTANT)
    here = Task.objects.of(owner_id).live(at=at).filter(id=task_id)
    found = here.filter(deadline_at=seen_at, deadline_at__lt=later).update(
        deadline_at=later, moved_from=seen_at, changed_at=at, **heard(deadline_at=later, at=at)
    )
    _forget_speech(task_id, owner_id)
    return bool(found) or here.filter(deadline_at=later).exists()


def next_deadline_of(task: Task, *, at: datetime, zone: ZoneInfo) -> datetime | None:
    """When a repeating task comes again; None when it does not."""
    if task.repeat_from is None or task.repeat_time is None or task.repeat == Repeat.NEVER:
        return None
    return next_deadline(
        repeat=task.repeats,
        series=datetime.combine(task.repeat_from, task.repeat_time),
        last_at=task.deadline_at,
        at=at,
        zone=zone,
    )


def task_again(task: Task, *, at: datetime, zone: ZoneInfo) -> Task | None:
    """The next task of a series, not saved: who forgets `task` saves it in the same transaction.

    Its id follows from what is forgotten, so that a purge that was rolled back and is repeated
    makes the same one. One that is brought back and repeats anew has another deadline, or was not
    taken away then: it has another next one.
    """
    deadline_at = next_deadline_of(task, at=at, zone=zone)
    if deadline_at is None:
        return None
    return Task(
        id=uuid5(task.id, f"{task.deadline_at} {task.removed_at}"),
        created_at=at,
        changed_at=at,
        deadline_at=deadline_at,
        **heard(deadline_at=deadline_at, at=at),
        **{name: getattr(task, name) for name in AGAIN},
    )


def day_subject(owner_id: UUID) -> str:
    """How speech calls a user's day."""
    return f"day:{owner_id}"


def _forget_speech(task_id: UUID, owner_id: UUID) -> None:
    speech.forget(str(task_id))
    speech.forget(day_subject(owner_id))


def _series(fields: dict[str, Any]) -> dict[str, Any]:
    """The wall clock that a series hangs on, in the time zone of who writes it."""
    if fields["repeat"] == Repeat.NEVER:
        return {"repeat_from": None, "repeat_time": None}
    wall = timezone.localtime(fields["deadline_at"])
    return {"repeat_from": wall.date(), "repeat_time": wall.time()}


def _checked(given: TaskInput, *, at: datetime) -> dict[str, Any]:
    fields = given.columns()
    task = Task(**fields)
    errors: dict[str, Any] = {}
    try:
        task.clean_fields(exclude=["owner", "created_at", "removed_at"])
    except ValidationError as error:
        errors = error.error_dict
    if not says_something(fields["title"]):
        errors["title"] = _("Say what is to be done.")
    if problem := deadline_problem(given.deadline_at, at=at):
        errors["deadline_at"] = problem
    if problem := tags_problem(given.tags):
        errors["tags"] = problem
    if errors:
        raise ValidationError(errors)
    return fields


def deadline_problem(deadline_at: datetime, *, at: datetime) -> str:
    """Why this cannot be a deadline; empty when it can."""
    if deadline_at <= at:
        return str(HAS_PASSED)
    return str(TOO_FAR) if deadline_at > LAST_INSTANT else ""


def tags_problem(tags: Sequence[str]) -> str:
    """Why these cannot be a task's tags; empty when they can."""
    names, wrong = tag_names(tags)
    if wrong:
        return _(
            "“%(word)s” cannot be a tag: only letters, digits, - and _, at most %(most)d of them."
        ) % {"word": wrong[0], "most": TAG_LENGTH_MAX}
    if len(names) > TAGS_MAX:
        return _("A task has at most %(most)d tags.") % {"most": TAGS_MAX}
    return ""
