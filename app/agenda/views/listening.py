"""Sounds of a task, of the day and of reminders, and the pages that play them."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import http_date
from django.utils.translation import get_language
from django.views.decorators.http import require_POST

from accounts.access import sign_in_required, signed_in
from accounts.models import LEAD_CHOICES
from agenda.models import Task
from agenda.reminders import LISTENING, Due, last_call, leads_of, reminders_claim
from agenda.sound import sound
from agenda.spoken import day_utterance, missed_utterance, reminder_utterance, task_utterance
from agenda.views.lookups import require_read, task_or_404
from speech import services as speech
from speech.errors import SpeechError
from speech.services import Utterance

MISSED_MAX = 1000


@require_read
@sign_in_required
def day_hear(request: HttpRequest) -> HttpResponse:
    """Today in one breath: the player, and the text beside it."""
    at = timezone.now()
    words = day_utterance(at=at, **_listener(request))
    return _player(request, words, at=at, sound_at=reverse("day-speech"))


@require_read
@sign_in_required
def day_speech(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    if _asks_for_voice(request):
        return HttpResponse(status=HTTPStatus.CONFLICT)
    return _spoken(request, day_utterance(at=at, **_listener(request)), at=at)


@require_read
@sign_in_required
def task_hear(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """The player for browsers without JavaScript, the sentence as text, and whose voice it is."""
    at = timezone.now()
    task = task_or_404(request, task_id, at=at)
    words = task_utterance(task, at=at, **_listener(request))
    sound_at = reverse("task-speech", args=[task.id])
    return _player(request, words, at=at, sound_at=sound_at, task=task)


@require_read
@sign_in_required
def task_speech(request: HttpRequest, task_id: UUID) -> HttpResponse:
    at = timezone.now()
    task = task_or_404(request, task_id, at=at)
    if _asks_for_voice(request, task):
        return HttpResponse(status=HTTPStatus.CONFLICT)
    return _spoken(request, task_utterance(task, at=at, **_listener(request)), at=at)


@require_read
@sign_in_required
def reminder_speech(request: HttpRequest, task_id: UUID, minutes: int) -> HttpResponse:
    """`minutes` before the deadline."""
    if str(minutes) not in dict(LEAD_CHOICES):
        raise Http404("no such reminder")
    lead = timedelta(minutes=minutes)
    at = timezone.now()
    task = task_or_404(request, task_id, at=at)
    words = reminder_utterance(task, lead=lead, at=at, **_listener(request))
    return _spoken(request, words, at=at)


@require_read
@sign_in_required
def missed_speech(request: HttpRequest, reminders: int, forgotten: int) -> HttpResponse:
    if not 0 < reminders + forgotten <= MISSED_MAX:
        raise Http404("nothing was missed, or too much to say")
    at = timezone.now()
    words = missed_utterance(reminders=reminders, forgotten=forgotten, at=at, **_listener(request))
    return _spoken(request, words, at=at)


@require_POST
@sign_in_required
def reminders(request: HttpRequest) -> HttpResponse:
    """What the page that asks shall say, and when to ask again. Asking claims it: no other page
    says it too.
    """
    at = timezone.now()
    claimed = reminders_claim(signed_in(request), at=at, since=_since(request, at=at))
    say = [_reminder(request, due, at=at) for due in claimed.due]
    if claimed.reminders or claimed.forgotten:
        most = MISSED_MAX // 2
        missed: dict[str, Any] = {
            "reminders": min(claimed.reminders, most),
            "forgotten": min(claimed.forgotten, most),
        }
        words = missed_utterance(**missed, at=at, **_listener(request))
        told = {"text": words.text, "sound": reverse("missed-speech", kwargs=missed)}
        say.insert(0, told | {"notice": render_to_string("agenda/reminder.html", told)})
    return JsonResponse({"now": at.isoformat(), "wait": claimed.wait.total_seconds(), "say": say})


def _reminder(request: HttpRequest, due: Due, *, at: datetime) -> dict[str, str]:
    task, lead = due.task, due.lead
    is_last = lead <= last_call(leads_of(signed_in(request)))
    said = {
        "text": reminder_utterance(task, lead=lead, at=at, **_listener(request)).text,
        "sound": reverse("announcement-speech", args=[task.id, lead // timedelta(minutes=1)]),
        "keep": reverse("task-keep", args=[task.id]) if is_last else "",
        "seen": task.deadline_at.isoformat(),
    }
    return said | {"notice": render_to_string("agenda/reminder.html", said)}


def _since(request: HttpRequest, *, at: datetime) -> datetime | None:
    """When the page last had a response, as that one said; None for a page just opened."""
    try:
        since = datetime.fromisoformat(request.POST.get("since", ""))
    except ValueError:
        return None
    if timezone.is_naive(since) or since > at:
        return None
    return max(since, at - LISTENING)


def _listener(request: HttpRequest) -> dict[str, Any]:
    return {"user": signed_in(request), "language": get_language()}


def _asks_for_voice(request: HttpRequest, task: Task | None = None) -> bool:
    """Whose voice it is, is asked at the first press of Hear: agenda.js opens that page then."""
    is_private = task is not None and task.is_private
    return speech.leaves_network() and not signed_in(request).voice and not is_private


def _player(
    request: HttpRequest, words: Utterance, *, at: datetime, sound_at: str, task: Task | None = None
) -> HttpResponse:
    context: dict[str, Any] = {"at": at, "task": task, "words": words, "sound": sound_at}
    if _asks_for_voice(request, task):
        return render(request, "agenda/hear.html", context | {"asks_for_voice": True})
    try:
        context["said"] = speech.speak(words, at=at)
    except SpeechError:
        context["said"] = None
    return render(request, "agenda/hear.html", context)


def _spoken(request: HttpRequest, words: Utterance, *, at: datetime) -> HttpResponse:
    try:
        said = speech.speak(words, at=at)
    except SpeechError:
        # The browser's own voice may read this text.
        text = HttpResponse(words.text, content_type="text/plain; charset=utf-8", status=503)
        text["Sunset"] = http_date(words.expires_at.timestamp())
        return text
    return sound(request, said, words=words)
