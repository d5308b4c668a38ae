"""What a task is, and every question that may be asked about tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Min, Q
from django.utils.translation import gettext_lazy as _

from agenda.identity import uuid7

TITLE_LENGTH_MAX = 200
NOTES_LENGTH_MAX = 10_000
SEARCH_WORDS_MAX = 8
UNDO_WINDOW = timedelta(minutes=1)


class TaskQuerySet(models.QuerySet["Task"]):
    """The page, the speech, the API and the timer all ask here, so they cannot disagree."""

    def of(self, owner_id: UUID | None) -> TaskQuerySet:
        return self.filter(owner_id=owner_id)

    def live(self, *, at: datetime) -> TaskQuerySet:
        """Neither past their deadline at `at` (aware) nor taken away by their owner."""
        return self.filter(deadline_at__gt=at, removed_at=None)

    def restorable(self, *, at: datetime) -> TaskQuerySet:
        """Taken away a moment ago: its owner may still say it was a mistake."""
        return self.filter(deadline_at__gt=at, removed_at__gt=at - UNDO_WINDOW)

    def shown(self, *, at: datetime) -> TaskQuerySet:
        """Live and restorable ones together, in one question: what the agenda's page shows."""
        is_restorable = Q(removed_at__gt=at - UNDO_WINDOW)
        return self.filter(Q(removed_at=None) | is_restorable, deadline_at__gt=at)

    def forgotten(self, *, at: datetime) -> TaskQuerySet:
        """What nobody may see again at `at`: exactly those `live` and `restorable` leave out."""
        return self.filter(Q(deadline_at__lte=at) | Q(removed_at__lte=at - UNDO_WINDOW))

    def due(self, *, since: datetime, until: datetime) -> TaskQuerySet:
        """With a deadline from `since` to just before `until`."""
        return self.filter(deadline_at__gte=since, deadline_at__lt=until)

    def about(self, words: str) -> TaskQuerySet:
        """Every one of `words` stands in title or notes; accents and case do not matter."""
        found = self
        for word in words.split()[:SEARCH_WORDS_MAX]:
            found = found.filter(Q(title__icontains=word) | Q(notes__icontains=word))
        return found

    def by_deadline(self) -> TaskQuerySet:
        return self.order_by("deadline_at", "id")


class Task(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="tasks"
    )
    title = models.CharField(_("title"), max_length=TITLE_LENGTH_MAX)
    notes = models.TextField(_("notes"), blank=True, max_length=NOTES_LENGTH_MAX)
    deadline_at = models.DateTimeField(_("deadline"))
    is_private = models.BooleanField(_("private"), default=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "task"
        indexes = [
            models.Index(fields=["owner", "deadline_at"], name="task_of_owner_by_deadline"),
            models.Index(fields=["deadline_at"], name="task_by_deadline"),
            models.Index(fields=["removed_at"], name="task_by_removal"),
        ]
        constraints = [
            models.CheckConstraint(name="task_has_a_title", condition=~Q(title="")),
        ]

    def __str__(self) -> str:
        return self.title


def forgetting_lag(*, at: datetime) -> timedelta:
    """For how long the oldest task that nobody may see any more has been waiting to be erased."""
    past = Task.objects.filter(deadline_at__lte=at).aggregate(Min("deadline_at"))
    removed = Task.objects.filter(removed_at__lte=at - UNDO_WINDOW).aggregate(Min("removed_at"))
    lags = [at - past["deadline_at__min"]] if past["deadline_at__min"] else []
    if removed["removed_at__min"]:
        lags.append(at - removed["removed_at__min"] - UNDO_WINDOW)
    return max(lags, default=timedelta(0))
