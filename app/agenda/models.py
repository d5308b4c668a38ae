"""What a task is, and every question that may be asked about tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Min, Q
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _

from agenda.identity import uuid7
from agenda.repeat import RULE_LENGTH_MAX
from agenda.tags import COLUMN_LENGTH, tag_name

TITLE_LENGTH_MAX = 200
NOTES_LENGTH_MAX = 10_000
SEARCH_WORDS_MAX = 8
UNDO_WINDOW = timedelta(minutes=1)


def grace() -> timedelta:
    """For how long after its deadline the site lets a task be brought back; 0 by default."""
    return timedelta(seconds=settings.GRACE_S)


def removal_grace() -> timedelta:
    """The same for a task that its owner took away: never less than the moment to undo that."""
    return max(UNDO_WINDOW, grace())


class Priority(models.IntegerChoices):
    NORMAL = 0, _("normal")
    IMPORTANT = 1, _("important")
    URGENT = 2, _("urgent")


class Repeat(models.TextChoices):
    NEVER = "", _("never")
    DAILY = "daily", _("every day")
    WEEKDAYS = "weekdays", _("Monday to Friday")
    WEEKLY = "weekly", _("every week")
    MONTHLY = "monthly", _("every month")
    RULE = "rule", _("by a rule")


REPEATING = [repeat.value for repeat in Repeat if repeat != Repeat.NEVER]


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

    def moved(self, *, at: datetime) -> TaskQuerySet:
        """Given a later deadline a moment ago, and the one before is still to come."""
        since = at - UNDO_WINDOW
        return self.filter(removed_at=None, moved_from__gt=at, changed_at__gt=since)

    def changed(self, *, since: datetime) -> TaskQuerySet:
        """Added, changed, taken away or brought back after `since`; not what expired."""
        return self.filter(changed_at__gt=since)

    def shown(self, *, at: datetime) -> TaskQuerySet:
        """Live and restorable ones together, in one question: what the agenda's page shows."""
        is_restorable = Q(removed_at__gt=at - UNDO_WINDOW)
        return self.filter(Q(removed_at=None) | is_restorable, deadline_at__gt=at)

    def recent(self, *, at: datetime) -> TaskQuerySet:
        """Forgotten, but within the grace that the site gives: its owner may bring it back."""
        if not grace():
            return self.none()
        return self.filter(
            Q(deadline_at__lte=at) | Q(removed_at__isnull=False),
            Q(removed_at=None) | Q(removed_at__gt=at - removal_grace()),
            deadline_at__gt=at - grace(),
        )

    def forgotten(self, *, at: datetime) -> TaskQuerySet:
        """What nobody may see again: exactly those `live`, `restorable` and `recent` leave out."""
        return self.filter(
            Q(deadline_at__lte=at - grace()) | Q(removed_at__lte=at - removal_grace())
        )

    def due(self, *, since: datetime, until: datetime) -> TaskQuerySet:
        """With a deadline from `since` to just before `until`."""
        return self.filter(deadline_at__gte=since, deadline_at__lt=until)

    def due_or_repeating(self, *, since: datetime, until: datetime) -> TaskQuerySet:
        """Also those of a series that begins before `until`: it may come again in between."""
        repeats = Q(repeat__in=REPEATING)
        return self.filter(Q(deadline_at__gte=since) | repeats, deadline_at__lt=until)

    def about(self, words: str) -> TaskQuerySet:
        """Every one of `words` stands in title or notes; accents and case do not matter. "#tag"
        asks for a tag, "!" for what is important or more, "!!" for what is urgent.
        """
        found = self
        for word in words.split()[:SEARCH_WORDS_MAX]:
            if set(word) == {"!"}:
                found = found.at_least(min(len(word), max(Priority.values)))
            elif word.startswith("#"):
                found = found.tagged(word)
            else:
                found = found.filter(Q(title__icontains=word) | Q(notes__icontains=word))
        return found

    def tagged(self, name: str) -> TaskQuerySet:
        """Carrying the tag; accents and case do not matter. What cannot be a tag finds nothing."""
        tag = tag_name(name)
        return self.none() if tag is None else self.filter(tags__icontains=f" {tag} ")

    def at_least(self, priority: int) -> TaskQuerySet:
        return self.filter(priority__gte=priority)

    def repeating(self) -> TaskQuerySet:
        """Named one by one, so that the index on (repeat, deadline) is walked by deadline."""
        return self.filter(repeat__in=REPEATING)

    def as_listed(self) -> TaskQuerySet:
        """For pages that show many: of the notes their beginning, and how long they are; and
        nothing that such a page does not ask for.
        """
        size = Func(F("notes"), function="LENGTH", output_field=models.IntegerField())
        unasked = self.defer("notes", "owner", "announced", "announced_at", "created_at")
        return unasked.annotate(notes_begin=Left("notes", 161), notes_bytes=size)

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
    # Every default is the database's too: the release before this one must be able to write here.
    tags = models.CharField(
        _("tags"), max_length=COLUMN_LENGTH, blank=True, default="", db_default=""
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=Priority.choices, default=Priority.NORMAL, db_default=0
    )
    repeat = models.CharField(
        _("repeat"),
        max_length=8,
        blank=True,
        choices=Repeat.choices,
        default=Repeat.NEVER,
        db_default="",
    )
    # Of RFC 5545; where `repeat` says that there is one.
    repeat_rule = models.CharField(
        max_length=RULE_LENGTH_MAX, blank=True, default="", db_default="", editable=False
    )
    # The wall clock that a series hangs on: the 31st stays the 31st after February.
    repeat_from = models.DateField(null=True, blank=True, editable=False)
    repeat_time = models.TimeField(null=True, blank=True, editable=False)
    # When something was last said of it, or it got its deadline: reminders_claim claims what comes
    # after that. None: by a release before this one, which counts its three steps in `announced`.
    announced_at = models.DateTimeField(null=True, editable=False)
    announced = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    # Taken away because it is done: the word that is said of it while that can be undone.
    is_done = models.BooleanField(default=False, db_default=False, editable=False)
    # The deadline before "later", for who wants it back; None again with the next change.
    moved_from = models.DateTimeField(null=True, editable=False)
    # None: by a release before this one, or never since.
    changed_at = models.DateTimeField(null=True, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        db_table = "task"
        indexes = [
            models.Index(fields=["owner", "deadline_at"], name="task_of_owner_by_deadline"),
            models.Index(fields=["deadline_at"], name="task_by_deadline"),
            models.Index(fields=["removed_at"], name="task_by_removal"),
            models.Index(fields=["repeat", "deadline_at"], name="task_by_repeat"),
            models.Index(fields=["owner", "changed_at"], name="task_of_owner_by_change"),
        ]
        constraints = [models.CheckConstraint(name="task_has_a_title", condition=~Q(title=""))]

    def __str__(self) -> str:
        return self.title

    @property
    def repeats(self) -> str:
        """How often: a name or a rule, "" for never."""
        return self.repeat_rule if self.repeat == Repeat.RULE else self.repeat

    @property
    def tag_names(self) -> list[str]:
        return self.tags.split()

    def undo_until(self) -> datetime | None:
        """Until when its owner may undo what was done to it last; None when there is nothing."""
        if self.removed_at is not None:
            return min(self.removed_at + UNDO_WINDOW, self.deadline_at)
        if self.moved_from is not None and self.changed_at is not None:
            return min(self.changed_at + UNDO_WINDOW, self.moved_from)
        return None


class Lease(models.Model):
    """Who alone may do what is named, until when by the database's clock: see leases.py."""

    name = models.CharField(primary_key=True, max_length=64, db_collation="utf8mb4_bin")
    holder = models.CharField(max_length=32, db_collation="utf8mb4_bin")
    until = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "lease"

    def __str__(self) -> str:
        return f"{self.name} until {self.until:%Y-%m-%d %H:%M:%S}"


def erased_at(task: Task) -> datetime:
    """When the grace of a task ends that was forgotten or taken away."""
    past = task.deadline_at + grace()
    return past if task.removed_at is None else min(past, task.removed_at + removal_grace())


def forgetting_lag(*, at: datetime) -> timedelta:
    """For how long the oldest task that nobody may see any more has been waiting to be erased."""
    lags = [timedelta(0)]
    for column, until in (("deadline_at", at - grace()), ("removed_at", at - removal_grace())):
        due = Task.objects.filter(**{f"{column}__lte": until})
        oldest = due.aggregate(oldest=Min(column))["oldest"]
        if oldest:
            lags.append(until - oldest)
    return max(lags)
