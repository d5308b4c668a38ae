"""HTTP in, HTML out. A view asks one question and renders the answer."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import sign_in_required, signed_in, text_keeping, words_along, words_kept
from accounts.services import calendar_owner
from agenda import month as months
from agenda import services, wording
from agenda.calendar import calendar
from agenda.clock import day_start, instant, zone_label, zone_of
from agenda.forms import TaskForm, line_values, new_task_values, seen_mark, task_values
from agenda.grouping import grouped
from agenda.identity import uuid7
from agenda.models import NOTES_LENGTH_MAX, TITLE_LENGTH_MAX, Task, erased_at, grace, removal_grace
from agenda.quick_add.line import read_line
from agenda.reminders import LAST_STEP, LISTENING, Due, reminders_claim
from agenda.sound import sound
from agenda.spoken import (
    announcement_utterance,
    day_utterance,
    missed_utterance,
    task_utterance,
)
from speech import services as speech
from speech.errors import SpeechError
from speech.services import Utterance

SEARCH_RESULTS_MAX = 100
MISSED_MAX = 1000
require_read = require_http_methods(["GET", "HEAD"])
require_form = require_http_methods(["GET", "HEAD", "POST"])


def _zone() -> ZoneInfo:
    return ZoneInfo(timezone.get_current_timezone_name())


def _found(request: HttpRequest, task_id: UUID, *, at: datetime) -> Task | None:
    """The user's own live task. Somebody else's does not exist."""
    return Task.objects.of(signed_in(request).pk).live(at=at).filter(id=task_id).first()


def _task(request: HttpRequest, task_id: UUID, *, at: datetime) -> Task:
    task = _found(request, task_id, at=at)
    if task is None:
        raise Http404("no such task")
    return task


@require_read
@sign_in_required
def agenda(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    user = signed_in(request)
    tasks = list(Task.objects.of(user.pk).shown(at=at).by_deadline())
    live = [task for task in tasks if task.removed_at is None]
    removed = [task for task in tasks if task.removed_at is not None]
    context = {
        "at": at,
        "groups": grouped(live, at=at, zone=_zone()),
        "live": live,
        "removed": [
            (task, services.next_deadline_of(task, at=at, zone=_zone())) for task in removed
        ],
        "tags": sorted({name for task in live for name in task.tag_names}),
        "zone": zone_label(at, zone=_zone()),
        "grace": grace(),
        "asks_for_voice": bool(live) and speech.leaves_network() and not user.voice,
        "speaks": speech.is_enabled(),
    }
    return render(request, "agenda/agenda.html", context)


@require_read
@sign_in_required
def search(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    words = request.GET.get("q", "").replace("\x00", "")[:TITLE_LENGTH_MAX]
    tasks = Task.objects.of(signed_in(request).pk).live(at=at).about(words).by_deadline()
    found = list(tasks[: SEARCH_RESULTS_MAX + 1]) if words.strip() else []
    context = {
        "at": at,
        "words": words,
        "groups": grouped(found[:SEARCH_RESULTS_MAX], at=at, zone=_zone()),
        "most": SEARCH_RESULTS_MAX if len(found) > SEARCH_RESULTS_MAX else 0,
        "speaks": speech.is_enabled(),
    }
    return render(request, "agenda/search.html", context)


@require_read
@sign_in_required
def month(request: HttpRequest, year: int | None = None, number: int | None = None) -> HttpResponse:
    at = timezone.now()
    zone = _zone()
    today = at.astimezone(zone).date()
    if year is None or number is None:
        year, number = today.year, today.month
    if not months.is_month(year, number):
        raise Http404("no such month")
    days = months.days_of(year, number)
    since = day_start(days[0][0], zone=zone)
    until = day_start(days[-1][-1] + timedelta(days=1), zone=zone)
    mine = Task.objects.of(signed_in(request).pk).live(at=at)
    mine = mine.due_or_repeating(since=since, until=until)
    before, after = months.neighbours(year, number)
    context = {
        "at": at,
        "first": date(year, number, 1),
        "today": today,
        "weeks": months.weeks(year, number, mine.by_deadline(), zone=zone),
        "before": before if months.is_month(*before) else None,
        "after": after if months.is_month(*after) else None,
    }
    return render(request, "agenda/month.html", context)


@require_read
def calendar_feed(request: HttpRequest, token: str) -> HttpResponse:
    """Whoever holds the secret address reads the tasks that are live, and nothing else."""
    owner = calendar_owner(token)
    if owner is None:
        raise Http404("no such feed, or it was closed")
    at = timezone.now()
    tasks = Task.objects.of(owner.pk).live(at=at).by_deadline()
    body = calendar(tasks, name=owner.username, zone=zone_of(owner.time_zone))
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {"ETag": etag, "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(body, content_type="text/calendar; charset=utf-8", headers=headers)


@require_read
@sign_in_required
def day_hear(request: HttpRequest) -> HttpResponse:
    """Today in one breath: the player, and the text beside it."""
    at = timezone.now()
    words = _day_words(request, at=at)
    try:
        voice = speech.speak(words, at=at).voice
    except SpeechError:
        voice = None
    return render(request, "agenda/hear_day.html", {"at": at, "words": words, "voice": voice})


@require_read
@sign_in_required
def day_speech(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    return _spoken(request, _day_words(request, at=at), at=at)


def _day_words(request: HttpRequest, *, at: datetime) -> Utterance:
    user = signed_in(request)
    zone = _zone()
    tomorrow = day_start(at.astimezone(zone).date() + timedelta(days=1), zone=zone)
    today = Task.objects.of(user.pk).live(at=at).due(since=at, until=tomorrow).by_deadline()
    return day_utterance(
        list(today), at=at, ends_at=tomorrow, user=user, language=get_language() or "fr"
    )


@require_read
def about(request: HttpRequest) -> HttpResponse:
    context = {
        "leaves_network": speech.leaves_network(),
        "grace": grace(),
        "removal_grace": removal_grace(),
        "backups_kept": timedelta(days=settings.BACKUP_DAYS),
    }
    return render(request, "agenda/about.html", context)


@require_form
@sign_in_required
@text_keeping
def task_new(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    form = _task_form(request, initial=new_task_values(deadline_at=_next_full_hour(at)))
    if request.method == "POST" and form.is_valid():
        try:
            services.task_add(
                owner_id=signed_in(request).pk,
                wording=form.wording(),
                identity=form.cleaned_data["identity"],
                at=at,
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("Added."))
            return redirect("agenda")
    return _task_page(request, form, at=at, task=None)


@require_form
@sign_in_required
@text_keeping
def task_quick(request: HttpRequest) -> HttpResponse:
    """One line read as a title and a deadline, shown in the form before anything is saved."""
    at = timezone.now()
    given = words_kept(request) or request.POST
    if request.method != "POST" and "line" not in given:
        return redirect("task-new")  # no line was written, such as after a change of language
    line = read_line(
        given.get("line", "")[:NOTES_LENGTH_MAX],
        at=timezone.localtime(at).replace(tzinfo=None),
        language=get_language() or "fr",
        zone=_zone(),
    )
    initial = new_task_values(deadline_at=_next_full_hour(at)) | line_values(line)
    form = TaskForm(initial=initial)
    context = _task_context(request, form, at=at) | {"line": line, "was_kept": False}
    if line.wall is not None:
        until = timezone.localtime(instant(line.wall, zone=_zone()))
        context["until"] = wording.moment(until, now=timezone.localtime(at))
    return render(request, "agenda/task_form.html", context)


@require_form
@sign_in_required
@text_keeping
def task_edit(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    task = _found(request, task_id, at=at)
    if task is None:
        return _task_is_gone(request, at=at)
    form = _task_form(request, initial=task_values(task), shown=task.deadline_at)
    mark = seen_mark(task)
    if request.method == "POST" and request.POST.get("seen", mark) != mark:
        form.add_error(
            None,
            _("This task was changed elsewhere since you opened it. Saving now replaces that."),
        )
    if request.method == "POST" and form.is_valid():
        try:
            found = services.task_edit(task=task, wording=form.wording(), at=at)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            if not found:
                return _task_is_gone(request, at=at)
            messages.success(request, _("Changed."))
            return redirect("agenda")
    return _task_page(request, form, at=at, task=task)


def _task_is_gone(request: HttpRequest, *, at: datetime) -> HttpResponse:
    """What was written for a task that is no longer there can become a new one."""
    words = words_kept(request) or request.POST
    if not (words.get("title") or words.get("notes")):
        raise Http404("no such task")
    given = words.dict() | {"identity": uuid7()}
    context = _task_context(request, TaskForm(initial=given), at=at)
    context |= {"is_gone": True, "next": reverse("task-new")}
    return render(request, "agenda/task_form.html", context, status=404)


def _task_form(
    request: HttpRequest, *, initial: dict[str, Any], shown: datetime | None = None
) -> TaskForm:
    """Filled by what was sent, or by words kept over a sign-in, else by `initial`."""
    if request.method == "POST":
        return TaskForm(request.POST, shown=shown)
    kept = words_kept(request)
    return TaskForm(initial=initial | kept.dict() if kept else initial)


def _task_page(
    request: HttpRequest, form: TaskForm, *, at: datetime, task: Task | None
) -> HttpResponse:
    if form.errors:
        form.tell_the_rest(at=at)
    context = _task_context(request, form, at=at) | {
        "task": task,
        "was_kept": words_kept(request) is not None,
        "seen": _seen(request, task) if task else "",
    }
    status = 422 if form.errors else 200
    return render(request, "agenda/task_form.html", context, status=status)


def _seen(request: HttpRequest, task: Task) -> str:
    """Which version of the task a form is filled from: the one that was read before a sign-in."""
    kept = words_kept(request)
    return (kept.get("seen") if kept else None) or seen_mark(task)


def _task_context(request: HttpRequest, form: TaskForm, *, at: datetime) -> dict[str, Any]:
    return words_along(request) | {
        "form": form,
        "zone": zone_label(at, zone=_zone()),
        "leaves_network": speech.leaves_network(),
    }


def _next_full_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


@require_POST
@sign_in_required
def task_remove(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    owner_id = signed_in(request).pk
    # A second click on the same button finds it removed already, and means the same.
    removed = Task.objects.of(owner_id).restorable(at=at).filter(id=task_id)
    if not (services.task_remove(owner_id=owner_id, task_id=task_id, at=at) or removed.exists()):
        raise Http404("no such task")
    return redirect("agenda")


@require_POST
@sign_in_required
def task_end(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """A repeating task that was just removed shall not come back."""
    owner_id = signed_in(request).pk
    if not services.series_end(owner_id=owner_id, task_id=task_id, at=timezone.now()):
        raise Http404("no such task, or too late")
    messages.success(request, _("It will not come back."))
    return redirect("agenda")


@require_POST
@sign_in_required
def task_restore(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    until = services.task_restore(owner_id=signed_in(request).pk, task_id=task_id, at=at)
    if until is None:  # a second click finds it back already
        until = _task(request, task_id, at=at).deadline_at
    local = timezone.localtime(until)
    words = {"day": wording.day(local, today=timezone.localtime()), "time": f"{local:%H:%M}"}
    messages.success(request, _("It is back, until %(day)s at %(time)s.") % words)
    return redirect("agenda")


@require_read
@sign_in_required
def recent(request: HttpRequest) -> HttpResponse:
    """What was forgotten a while ago and can still be brought back, where there is a grace."""
    if not grace():
        raise Http404("this site forgets at once")
    at = timezone.now()
    tasks = Task.objects.of(signed_in(request).pk).recent(at=at).order_by("-deadline_at", "id")
    context = {"at": at, "tasks": [(task, erased_at(task)) for task in tasks], "grace": grace()}
    return render(request, "agenda/recent.html", context)


@require_POST
@sign_in_required
def task_keep(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """One more day; the form carries the deadline it was shown with."""
    try:
        seen_at = datetime.fromisoformat(request.POST.get("seen", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Http404("no deadline was seen") from None
    owner_id = signed_in(request).pk
    if not services.task_keep(
        owner_id=owner_id, task_id=task_id, seen_at=seen_at, at=timezone.now()
    ):
        raise Http404("no such task, or it has changed")
    messages.success(request, _("Kept for one more day."))
    return redirect("agenda")


@require_read
@sign_in_required
def task_hear(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """The player for browsers without JavaScript, the sentence as text, and whose voice it is."""
    at = timezone.now()
    task = _task(request, task_id, at=at)
    words = task_utterance(task, at=at, user=signed_in(request), language=get_language())
    try:
        voice = speech.speak(words, at=at).voice
    except SpeechError:
        voice = None
    return render(request, "agenda/hear.html", {"task": task, "words": words, "voice": voice})


@require_read
@sign_in_required
def task_speech(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    task = _task(request, task_id, at=at)
    words = task_utterance(task, at=at, user=signed_in(request), language=get_language())
    return _spoken(request, words, at=at)


@require_read
@sign_in_required
def announcement_speech(request: HttpRequest, task_id: UUID, step: int) -> HttpResponse:
    if not 1 <= step <= LAST_STEP:
        raise Http404("no such announcement")
    at = timezone.now()
    return _spoken(request, _announcement(request, _task(request, task_id, at=at), step, at), at=at)


@require_read
@sign_in_required
def missed_speech(request: HttpRequest, reminders: int, forgotten: int) -> HttpResponse:
    if not 0 < reminders + forgotten <= MISSED_MAX:
        raise Http404("nothing was missed, or too much to say")
    at = timezone.now()
    return _spoken(request, _missed(request, reminders, forgotten, at), at=at)


@require_POST
@sign_in_required
def announcements(request: HttpRequest) -> HttpResponse:
    """What the page that asks shall say, and when to ask again. Asking claims it: no other page
    will be told.
    """
    at = timezone.now()
    heard = reminders_claim(signed_in(request), at=at, since=_since(request, at=at))
    say = [_said(request, due, at) for due in heard.due]
    if heard.reminders or heard.forgotten:
        counts = (min(heard.reminders, MISSED_MAX // 2), min(heard.forgotten, MISSED_MAX // 2))
        address = reverse("missed-speech", args=counts)
        say.insert(0, {"text": _missed(request, *counts, at).text, "sound": address})
    return JsonResponse({"now": at.isoformat(), "wait": heard.wait.total_seconds(), "say": say})


def _said(request: HttpRequest, due: Due, at: datetime) -> dict[str, str]:
    keeps = due.step == LAST_STEP
    return {
        "text": _announcement(request, due.task, due.step, at).text,
        "sound": reverse("announcement-speech", args=[due.task.id, due.step]),
        "keep": reverse("task-keep", args=[due.task.id]) if keeps else "",
        "seen": due.task.deadline_at.isoformat(),
    }


def _announcement(request: HttpRequest, task: Task, step: int, at: datetime) -> Utterance:
    language = get_language() or "fr"
    return announcement_utterance(
        task, step=step, at=at, user=signed_in(request), language=language
    )


def _missed(request: HttpRequest, reminders: int, forgotten: int, at: datetime) -> Utterance:
    return missed_utterance(
        reminders=reminders,
        forgotten=forgotten,
        at=at,
        user=signed_in(request),
        language=get_language() or "fr",
    )


def _since(request: HttpRequest, *, at: datetime) -> datetime | None:
    """When the page last had an answer, as that answer said; None for a page just opened."""
    try:
        since = datetime.fromisoformat(request.POST.get("since", ""))
    except ValueError:
        return None
    if timezone.is_naive(since) or since > at:
        return None
    return max(since, at - LISTENING)


def _spoken(request: HttpRequest, words: Utterance, *, at: datetime) -> HttpResponse:
    try:
        said = speech.speak(words, at=at)
    except SpeechError:
        # The browser's own voice may read this text.
        return HttpResponse(words.text, content_type="text/plain; charset=utf-8", status=503)
    return sound(request, said, words=words)
