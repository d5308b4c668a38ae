"""A task, and the day, spoken."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router

from agenda.clock import zone_of
from agenda.sound import sound
from agenda.spoken import day_utterance, task_utterance
from api.auth import READ, token_of
from api.openapi import ONE, READS, Node, contract, header
from api.problems import Problem, language_of
from api.responses import is_unchanged, preferred
from api.tasks import task_or_problem
from speech import services as speech
from speech.errors import SpeechError
from speech.services import Utterance

router = Router(tags=["speech"])

AUDIO = "audio/mpeg"
CONTENT = {"content": {AUDIO: {"schema": {"type": "string", "format": "binary"}}}}
HEADERS = ("ETag", "Accept-Ranges", "Sunset", "X-Agenda-Voice")


def _contract(problems: tuple[str, ...]) -> Node:
    return contract(
        {200: None, 206: None, 304: None},
        (*problems, "range-not-satisfiable", "speech-unavailable"),
        headers={200: HEADERS, 206: (*HEADERS, "Content-Range")},
        parameters=(
            header(
                "Range",
                "Bytes of the sound (RFC 9110, section 14.2); If-Range is read too.",
                examples=["bytes=0-1023"],
            ),
        ),
        also={200: CONTENT, 206: CONTENT},
    )


@router.get("/tasks/{identity:task_id}/speech", auth=READ, **_contract(ONE))
def hear_task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """The task as an MP3, in the language of `Accept-Language` or the user's. Takes ranges."""
    _require_audio(request)
    at, user = timezone.now(), token_of(request).owner
    task = task_or_problem(request, task_id, at=at)
    with timezone.override(zone_of(user.time_zone)):
        words = task_utterance(task, at=at, user=user, language=_language(request, user.language))
    return _said(request, words, at=at)


@router.get("/day/speech", auth=READ, **_contract(READS))
def hear_day(request: HttpRequest) -> HttpResponse:
    """What is left of today as one MP3, in the user's own time zone."""
    _require_audio(request)
    at, user = timezone.now(), token_of(request).owner
    with timezone.override(zone_of(user.time_zone)):
        words = day_utterance(at=at, user=user, language=_language(request, user.language))
    return _said(request, words, at=at)


def _said(request: HttpRequest, words: Utterance, *, at: datetime) -> HttpResponse:
    try:
        said = speech.speak(words, at=at)
    except SpeechError as error:
        raise Problem("speech-unavailable", detail=words.text) from error
    if is_unchanged(request, said.etag):
        return HttpResponse(status=304, headers={"ETag": said.etag})
    return sound(request, said, words=words)


def _require_audio(request: HttpRequest) -> None:
    if preferred(request, AUDIO) is None:
        raise Problem("not-acceptable", detail=AUDIO)


def _language(request: HttpRequest, chosen: str) -> str:
    if request.headers.get("Accept-Language", "").strip():
        return language_of(request)
    return chosen or settings.LANGUAGE_CODE
