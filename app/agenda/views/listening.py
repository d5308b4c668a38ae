"""Sounds of a task, of the day and of reminders, and the pages that play them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.views.decorators.http import require_POST

from accounts.access import sign_in_required, signed_in
from agenda.clock import day_start
from agenda.models import Task
from agenda.reminders import LAST_STEP, LISTENING, Due, reminders_claim
from agenda.sound import sound
from agenda.spoken import (
    announcement_utterance,
    day_utterance,
    missed_utterance,
    task_utterance,
)
from agenda.views.lookups import require_read, task_or_404, zone_here
from speech import services as speech
from speech.errors import SpeechError
from speech.services import Utterance

MISSED_MAX = 1000


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
    zone = zone_here()
    tomorrow = day_start(at.astimezone(zone).date() + timedelta(days=1), zone=zone)
    today = Task.objects.of(user.pk).live(at=at).due(since=at, until=tomorrow).by_deadline()
    return day_utterance(
        list(today), at=at, ends_at=tomorrow, user=user, language=get_language() or "fr"
    )


@require_read
@sign_in_required
def task_hear(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """The player for browsers without JavaScript, the sentence as text, and whose voice it is."""
    at = timezone.now()
    task = task_or_404(request, task_id, at=at)
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
    task = task_or_404(request, task_id, at=at)
    words = task_utterance(task, at=at, user=signed_in(request), language=get_language())
    return _spoken(request, words, at=at)


@require_read
@sign_in_required
def announcement_speech(request: HttpRequest, task_id: UUID, step: int) -> HttpResponse:
    if not 1 <= step <= LAST_STEP:
        raise Http404("no such announcement")
    at = timezone.now()
    return _spoken(
        request, _announcement(request, task_or_404(request, task_id, at=at), step, at), at=at
    )


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
