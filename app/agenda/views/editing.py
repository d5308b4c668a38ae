"""Adding, changing, keeping and removing a task: forms in, a redirect or the form again out."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import sign_in_required, signed_in, text_keeping, words_along, words_kept
from agenda import services, times
from agenda.clock import first_choices, instant, later_choices, zone_here, zone_label
from agenda.forms import LaterForm, TaskForm, line_values, new_task_values, seen_mark, task_values
from agenda.identity import uuid7, uuid7_of
from agenda.models import NOTES_LENGTH_MAX, Priority, Task
from agenda.quick_add.line import Line, read_line
from agenda.views.lookups import (
    agenda_again,
    line_forget,
    line_keep,
    line_kept,
    live_task,
    require_form,
    task_or_404,
)
from speech import services as speech

# Without what ends a sentence or a bracket around it.
LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]»”’']")
LINKS_MAX = 20
# As <input type="datetime-local"> writes a moment.
WALL = "%Y-%m-%dT%H:%M"
LATER_ID = "later-%s"
# For how long a line may wait for a network: "Monday" said weeks ago is a question.
LINES_WAIT = timedelta(days=7)
# A browser that thinks it is a little later than it is.
CLOCKS_DIFFER = timedelta(minutes=1)


@require_form
@sign_in_required
@text_keeping
def task_new(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    form = _task_form(request, initial=new_task_values(deadline_at=_deadline_offered(request, at)))
    if request.method == "POST" and form.is_valid():
        try:
            _add(request, form, at=at)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return line_forget(redirect("agenda"))
    return _task_page(request, form, at=at, task=None)


@require_form
@sign_in_required
@text_keeping
def task_quick(request: HttpRequest) -> HttpResponse:
    """One line read as a title and a deadline. While it is written (`peek`) chips say how; what was
    `chosen` from them is saved, if it still means that; else the form shows it first, at an address
    that may be loaded again.
    """
    at = timezone.now()
    given = words_kept(request) or request.POST
    text = given.get("line", "")[:NOTES_LENGTH_MAX]
    if "written" in request.POST:
        return HttpResponse(status=204 if _added_later(request, text, at=at) else 422)
    if request.method != "POST" and not text:
        text = line_kept(request)
    if request.method != "POST" and not text:
        return redirect("task-new")
    line = _read(text, at=at)
    readings = {
        f"{wall:{WALL}} {line.repeat}": wall
        for wall in ([line.wall] if line.wall else line.options)
    }
    if "peek" in given:
        chips = [(mark, instant(wall, zone=zone_here())) for mark, wall in readings.items()]
        context = {"line": line, "chips": chips, "at": at, "identity": uuid7()}
        context["priority"] = Priority(line.priority).label
        return render(request, "agenda/line_chips.html", context)
    wall = readings.get(given.get("chosen", "")) if request.method == "POST" else None
    if wall and _quickly_added(request, line, wall, request.POST.get("identity"), at=at):
        return line_forget(redirect("agenda"))
    again = redirect("task-quick")
    if request.method == "POST" and text and line_keep(request, again, text):
        return again
    initial = new_task_values(deadline_at=_next_full_hour(at)) | line_values(line)
    form = TaskForm(initial=initial)
    context = _task_context(request, form, at=at) | {"line": line, "was_kept": False}
    if line.wall is not None:
        until = instant(line.wall, zone=zone_here())
        context["until"] = times.day_and_time_at(until, at)
    return render(request, "agenda/task_form.html", context)


def _read(text: str, *, at: datetime) -> Line:
    wall = timezone.localtime(at).replace(tzinfo=None)
    return read_line(text, at=wall, language=get_language() or "fr", zone=zone_here())


def _added_later(request: HttpRequest, text: str, *, at: datetime) -> bool:
    """Of a line that waited for a network: it means what it meant when it was `written`, and is one
    task however often it is sent. False for what is a question, or was over meanwhile.
    """
    try:
        written_at = datetime.fromisoformat(request.POST["written"]).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    if not at - LINES_WAIT < written_at <= at + CLOCKS_DIFFER:
        return False
    owner_id, line = signed_in(request).pk, _read(text, at=written_at)
    identity = uuid7_of(f"{owner_id} {text}", at=written_at)
    if Task.objects.of(owner_id).filter(id=identity).exists():
        return True
    return bool(line.wall and _quickly_added(request, line, line.wall, identity, at=at))


def _quickly_added(
    request: HttpRequest, line: Line, wall: datetime, identity: Any, *, at: datetime
) -> bool:
    read = line if line.wall else replace(line, title=line.rest, wall=wall)
    form = TaskForm(line_values(read) | {"identity": identity})
    if (line.wall and line.unread) or not form.is_valid():
        return False
    try:
        _add(request, form, at=at)
    except ValidationError:
        return False
    return True


def _add(request: HttpRequest, form: TaskForm, *, at: datetime) -> None:
    """Save the task, say so and offer to undo it. Raises ValidationError and saves nothing."""
    task = services.task_add(
        owner_id=signed_in(request).pk,
        given=form.task_input(),
        identity=form.cleaned_data["identity"],
        at=at,
    )
    words = {"title": task.title, "until": times.day_and_time_at(task.deadline_at, at)}
    said = _("Added: “%(title)s”, %(until)s.") % words
    # notice.html undoes it, and forgets it with the task.
    messages.success(request, said, extra_tags=f"{task.deadline_at.isoformat()} {task.id}")


@require_form
@sign_in_required
@text_keeping
def task_edit(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    task = live_task(request, task_id, at=at)
    if task is None:
        return _no_such_task(request, at=at)
    if "menu" in request.GET:
        return render(request, "agenda/menu.html", _acts(task, at=at))
    form = _task_form(request, initial=task_values(task), shown=task.deadline_at)
    mark = seen_mark(task)
    if request.method == "POST" and request.POST.get("seen", mark) != mark:
        form.add_error(
            None,
            _("This task was changed elsewhere since you opened it. Saving now replaces that."),
        )
    if request.method == "POST" and form.is_valid():
        try:
            found = services.task_edit(task=task, given=form.task_input(), at=at)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            if not found:
                return _no_such_task(request, at=at)
            messages.success(request, _("Changed."))
            return redirect("agenda")
    return _task_page(request, form, at=at, task=task)


def _no_such_task(request: HttpRequest, *, at: datetime) -> HttpResponse:
    """What was written for a task that is no longer there can become a new one."""
    words = words_kept(request) or request.POST
    if not (words.get("title") or words.get("notes")):
        raise Http404("no such task")
    given = _with_moment(words.dict()) | {"identity": uuid7()}
    context = _task_context(request, TaskForm(initial=given), at=at)
    context |= {"is_missing": True, "next": reverse("task-new")}
    return render(request, "agenda/task_form.html", context, status=404)


def _task_form(
    request: HttpRequest, *, initial: dict[str, Any], shown: datetime | None = None
) -> TaskForm:
    """Filled by what was sent, or by words kept over a sign-in, else by `initial`."""
    if request.method == "POST":
        return TaskForm(_with_moment(request.POST.dict()), shown=shown)
    kept = words_kept(request)
    return TaskForm(initial=initial | _with_moment(kept.dict()) if kept else initial)


def _with_moment(given: dict[str, Any]) -> dict[str, Any]:
    """A moment that was picked is the deadline; the field of another one is not shown then."""
    return given | {"deadline_at": when} if (when := given.get("when")) else given


def _task_page(
    request: HttpRequest,
    form: TaskForm,
    *,
    at: datetime,
    task: Task | None,
    later: LaterForm | None = None,
) -> HttpResponse:
    """`later` is a date that was refused."""
    if form.errors:
        form.add_refusals(at=at)
    kept = words_kept(request)
    # Which version of the task the form is filled from: the one that was read before a sign-in.
    seen = (kept.get("seen") if kept else None) or seen_mark(task) if task else ""
    context = _task_context(request, form, at=at, task=task)
    context |= {"was_kept": kept is not None, "seen": seen}
    if task:
        context |= _acts(task, at=at)
    if later:
        context["later_form"] = later
    status = 422 if form.errors or later else 200
    return render(request, "agenda/task_form.html", context, status=status)


def _acts(task: Task, *, at: datetime) -> dict[str, Any]:
    """What can be done to a task beside changing its words."""
    later = later_choices(task.deadline_at, at=at, zone=zone_here())
    is_today = timezone.localtime(task.deadline_at).date() == timezone.localtime(at).date()
    return {
        "at": at,
        "task": task,
        "later": later,
        "later_form": LaterForm(auto_id=LATER_ID),
        "is_today": is_today,
        "speaks": speech.is_enabled(),
    }


def _task_context(
    request: HttpRequest, form: TaskForm, *, at: datetime, task: Task | None = None
) -> dict[str, Any]:
    moments = _moments(form, at=at, is_new=task is None)
    return words_along(request) | {
        "at": at,
        "task": task,
        "links": LINK.findall(task.notes)[:LINKS_MAX] if task else [],
        "heading": _("Edit a task") if task else _("Add a task"),
        "button": _("Save") if task else _("Add"),
        "form": form,
        "moments": moments,
        "is_other": not any(is_said for *_, is_said in moments),
        "zone": zone_label(at, zone=zone_here()),
        "leaves_network": speech.leaves_network(),
    }


def _moments(form: TaskForm, *, at: datetime, is_new: bool) -> list[tuple[str, str, bool]]:
    """What may be picked: as the field writes it, in words, and whether the form says that now."""
    offered = first_choices(at=at, zone=zone_here())
    said = form["deadline_at"].value()
    now = f"{said:{WALL}}" if isinstance(said, datetime) else str(said or "")
    if is_new and not form["deadline_at"].errors:
        with suppress(ValueError, OverflowError):
            offered.append(instant(datetime.strptime(now, WALL), zone=zone_here()))
    walls = [(f"{timezone.localtime(one):{WALL}}", one) for one in sorted(set(offered))]
    return [(wall, times.pick_at(one, at), wall == now) for wall, one in walls]


def _deadline_offered(request: HttpRequest, at: datetime) -> datetime | str:
    """In the evening of the day that was chosen in the month, else the next full hour but one."""
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return _next_full_hour(at)
    is_later = day > timezone.localtime(at).date()
    return f"{day.isoformat()}T18:00" if is_later else _next_full_hour(at)


def _next_full_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


@require_POST
@sign_in_required
def task_remove(request: HttpRequest, task_id: UUID) -> HttpResponse:
    # Undoing an addition undoes the whole series.
    for_good = "for_good" in request.POST
    return _take_away(request, task_id, partial(services.task_remove, for_good=for_good))


@require_POST
@sign_in_required
def task_done(request: HttpRequest, task_id: UUID) -> HttpResponse:
    return _take_away(request, task_id, services.task_done)


def _take_away(request: HttpRequest, task_id: UUID, take_away: Callable[..., bool]) -> HttpResponse:
    at = timezone.now()
    owner_id = signed_in(request).pk
    # A second click on the same button finds it gone already, and means the same.
    gone = Task.objects.of(owner_id).restorable(at=at).filter(id=task_id)
    if not (take_away(owner_id=owner_id, task_id=task_id, at=at) or gone.exists()):
        raise Http404("no such task")
    return agenda_again(request, undo=task_id)


@require_POST
@sign_in_required
def task_end(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """A repeating task that was just removed shall not come back."""
    owner_id = signed_in(request).pk
    if not services.series_end(owner_id=owner_id, task_id=task_id, at=timezone.now()):
        raise Http404("no such task, or too late")
    messages.success(request, _("It will not come back."))
    return agenda_again(request)


@require_POST
@sign_in_required
def task_restore(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Undo what was done to a task a moment ago."""
    at = timezone.now()
    until = services.task_restore(owner_id=signed_in(request).pk, task_id=task_id, at=at)
    if until is None:  # a second click finds it back already
        until = task_or_404(request, task_id, at=at).deadline_at
    words = {"day": times.day_at(until, at), "time": f"{timezone.localtime(until):%H:%M}"}
    messages.success(request, _("It is back, until %(day)s at %(time)s.") % words)
    return agenda_again(request)


@require_POST
@sign_in_required
def task_keep(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Later: the form carries the deadline it was shown with, and by how much (one more day where
    it says nothing) or until when.
    """
    at = timezone.now()
    try:
        seen_at = datetime.fromisoformat(request.POST.get("seen", "")).astimezone(UTC)
        choices = later_choices(seen_at, at=at, zone=zone_here())
    except (ValueError, OverflowError):
        raise Http404("no deadline was seen") from None
    by = request.POST.get("by", "day")
    if by == "date":
        form = LaterForm(request.POST, auto_id=LATER_ID)
        if form.is_valid() and form.cleaned_data["until"] <= max(seen_at, at):
            moment = times.pick_at(form.cleaned_data["until"], at)
            words = {"moment": moment, "deadline": times.pick_at(seen_at, at)}
            is_early = _("“%(moment)s” is not later than its deadline, %(deadline)s.") % words
            form.add_error("until", [is_early, _("Choose a later moment.")])
        if form.errors:
            task = task_or_404(request, task_id, at=at)
            form.fields["until"].widget.attrs["autofocus"] = True
            shown = TaskForm(initial=task_values(task))
            return _task_page(request, shown, at=at, task=task, later=form)
        until = form.cleaned_data["until"]
    elif (until := choices.get(by)) is None:
        raise Http404("no such choice, or no longer")
    owner_id = signed_in(request).pk
    if not services.task_keep(
        owner_id=owner_id, task_id=task_id, seen_at=seen_at, until=until, at=at
    ):
        raise Http404("no such task, or it has changed")
    return agenda_again(request, undo=task_id)
