"""What one account may hold, as the operator sets it: counted in the database, for all hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, F, Func, IntegerField, Sum
from django.utils.translation import gettext as _

from agenda.models import Task

SAID_FROM = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    tasks: int
    bytes: int

    @property
    def kib(self) -> int:
        return -(-self.bytes // 1024)


def held(owner_id: UUID) -> Held:
    """Also what waits to be erased."""
    size = sum(Func(F(name), function="LENGTH") for name in ("title", "notes"))
    total = Sum(size, output_field=IntegerField(), default=0)
    return Held(**Task.objects.of(owner_id).aggregate(tasks=Count("pk"), bytes=total))


def held_as_listed(tasks: Sequence[Any]) -> Held:
    """The same, from all of somebody's tasks, as_listed."""
    size = sum(len(task.title.encode()) + task.notes_bytes for task in tasks)
    return Held(tasks=len(tasks), bytes=size)


def nearly_all(what: Held) -> Held | None:
    """It, when it is time to say so."""
    is_nearly_all = (
        what.tasks >= SAID_FROM * settings.MOST_TASKS
        or what.bytes >= SAID_FROM * settings.MOST_KIB * 1024
    )
    return what if is_nearly_all else None


@contextmanager
def within_quota(owner_id: UUID, *, is_new: bool) -> Iterator[None]:
    """Around what adds a task or makes one longer: undone, with a ValidationError, when there is no
    room for it. What comes at once for one owner waits for one another.
    """
    with transaction.atomic():
        owners = get_user_model()._default_manager.select_for_update()
        # The REST server's account may not read who is a probe.
        known = owners.values_list("is_probe" if settings.IS_WEB else "pk").get(pk=owner_id)
        yield
        if known == (True,):  # a drill adds without end
            return
        after = held(owner_id)
        if is_new and after.tasks > settings.MOST_TASKS:
            problem = _("There is room for at most %(most)d tasks: let one go first.")
            raise ValidationError({"title": problem % {"most": settings.MOST_TASKS}})
        if after.kib > settings.MOST_KIB:
            problem = _("There is room for at most %(most)d KiB of words in all: shorten some.")
            raise ValidationError({"notes": problem % {"most": settings.MOST_KIB}})
