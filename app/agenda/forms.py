"""What people type into the agenda. The rules are in services.py; here only parsing."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import MINYEAR, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import BaseTemporalField
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agenda import times
from agenda.clock import SkippedHour, instant, zone_here
from agenda.identity import is_uuid7, uuid7
from agenda.models import NOTES_LENGTH_MAX, TITLE_LENGTH_MAX, Priority, Repeat, Task
from agenda.quick_add.line import Line
from agenda.repeat import NAMED, is_rule
from agenda.services import HAS_PASSED, TOO_FAR, TaskInput, deadline_problem, tags_problem
from agenda.tags import COLUMN_LENGTH

ONE_DAY = timedelta(days=1)


class MomentInput(forms.DateTimeInput):
    """Where a moment in words was picked it is hidden, and may be empty: the server says so."""

    def use_required_attribute(self, initial: Any) -> bool:
        return False


class DeadlineField(forms.DateTimeField):
    """A wall clock in the user's time zone, as <input type="datetime-local"> sends it or as
    people of that language write it without one.
    """

    widget = MomentInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    input_formats = formats.get_format_lazy("DATETIME_INPUT_FORMATS")
    default_error_messages = {
        "required": gettext_lazy("Say until when."),
        "invalid": gettext_lazy("Write a date and a time, such as 2026-11-24 18:30."),
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        if isinstance(value, datetime):
            return value
        try:
            found = parse_datetime(str(value).strip())
        except ValueError:
            found = None
        wall: datetime | None = found or BaseTemporalField.to_python(self, value)
        if wall is None or timezone.is_aware(wall):
            return wall
        try:
            return instant(wall, zone=zone_here())
        except SkippedHour:
            raise ValidationError(
                _("The clocks skip this hour that night. Choose an hour before or after.")
            ) from None
        except OverflowError:
            if wall.year == MINYEAR:
                raise ValidationError(HAS_PASSED) from None
            raise ValidationError(TOO_FAR) from None

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, datetime) and timezone.is_aware(value):
            wall = timezone.localtime(value)
            # A deadline that was given to the second keeps it when only the title is edited.
            return wall.strftime("%Y-%m-%dT%H:%M:%S") if wall.second else wall
        return value


class LaterForm(forms.Form):
    """Until when a deadline is moved by hand."""

    until = DeadlineField(label=gettext_lazy("Until when"))


def _on_the_wall(at: datetime) -> datetime:
    return timezone.localtime(at).replace(tzinfo=None, microsecond=0, fold=0)


class NotesField(forms.CharField):
    """A line break counts as one character, as browsers count it, though they send two."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


NAMES = [choice for choice in Repeat.choices if choice[0] != Repeat.RULE]


class RepeatField(forms.ChoiceField):
    """A name, or a rule that quick add has read; only the names are offered."""

    def valid_value(self, value: Any) -> bool:
        return value in NAMED or is_rule(value)


class TaskForm(forms.Form):
    """Add and edit share it. `identity` is the new task's, given out with the empty form; `shown`
    is the deadline of the task that is edited.
    """

    identity = forms.UUIDField(required=False, widget=forms.HiddenInput)
    title = forms.CharField(
        label=gettext_lazy("What"),
        max_length=TITLE_LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off", "enterkeyhint": "done"}),
        error_messages={"required": gettext_lazy("Say what is to be done.")},
    )
    deadline_at = DeadlineField(label=gettext_lazy("Until when"))
    notes = NotesField(
        label=gettext_lazy("Notes"),
        max_length=NOTES_LENGTH_MAX,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        # With room for "#" and commas; what is too much has its own error.
        max_length=2 * COLUMN_LENGTH,
        required=False,
        help_text=gettext_lazy("Words to find it by, with spaces between them."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    priority = forms.TypedChoiceField(
        label=gettext_lazy("Priority"),
        choices=Priority.choices,
        coerce=int,
        required=False,
        empty_value=str(Priority.NORMAL),
    )
    repeat = RepeatField(label=gettext_lazy("Repeat"), choices=NAMES, required=False)
    is_private = forms.BooleanField(
        label=gettext_lazy("Private: these words are never sent to Google"), required=False
    )

    def __init__(self, *args: Any, shown: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown = shown
        repeat = cast(RepeatField, self.fields["repeat"])
        if is_rule(rule := str(self["repeat"].value() or "")):
            repeat.choices = [*NAMES, (rule, times.rule_words(rule))]

    def clean_deadline_at(self) -> datetime:
        """Sent back as it was shown it is the same instant, also in an hour that comes twice, and
        to the microsecond.
        """
        given: datetime = self.cleaned_data["deadline_at"]
        shown = self.shown
        # Only near each other: the calendar's last instants have no wall clock everywhere.
        if shown is None or abs(given - shown) > ONE_DAY:
            return given
        return shown if _on_the_wall(given) == _on_the_wall(shown) else given

    def clean_identity(self) -> UUID | None:
        identity: UUID | None = self.cleaned_data["identity"]
        return identity if identity is not None and is_uuid7(identity) else None

    def clean_tags(self) -> list[str]:
        tags: str = self.cleaned_data["tags"]
        return tags.replace(",", " ").split()

    def add_refusals(self, *, at: datetime) -> None:
        """Where parsing failed, also say what the services would refuse: every mistake at once."""
        deadline_at, tags = (self.cleaned_data.get(name) for name in ("deadline_at", "tags"))
        if deadline_at and (problem := deadline_problem(deadline_at, at=at)):
            self.add_error("deadline_at", problem)
        if tags and (problem := tags_problem(tags)):
            self.add_error("tags", problem)

    def task_input(self) -> TaskInput:
        given = self.cleaned_data | {"priority": int(self.cleaned_data["priority"])}
        return TaskInput(**{field.name: given[field.name] for field in fields(TaskInput)})


def new_task_values(*, deadline_at: datetime | str) -> dict[str, Any]:
    return {"identity": uuid7(), "deadline_at": deadline_at}


def task_values(task: Task) -> dict[str, Any]:
    names = ("title", "notes", "deadline_at", "is_private", "priority")
    return {name: getattr(task, name) for name in names} | {
        "tags": " ".join(task.tag_names),
        "repeat": task.repeats,
    }


def seen_mark(task: Task) -> str:
    """Of what stands in the form of a task: another mark, another tab has changed it since."""
    return hashlib.sha256(repr(task_values(task)).encode()).hexdigest()[:16]


def line_values(line: Line) -> dict[str, Any]:
    """What quick add has read, for the form that shows it before it is saved."""
    return {
        "title": line.title,
        "deadline_at": line.wall.strftime("%Y-%m-%dT%H:%M") if line.wall else "",
        "tags": " ".join(line.tags),
        "priority": line.priority,
        "repeat": line.repeat,
    }
