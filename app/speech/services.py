"""The only door of this package: everything else calls `speak`, `forget`, `erase_expired` and the questions below.

How a view uses it (the view has already checked that the task is the user's and still lives):

    text = sentences.task_sentence(title=task.title, deadline_at=local(task.deadline_at), at=local(now), language="fr")
    speech = speak(subject=str(task.pk), text=text, language="fr", expires_at=task.deadline_at, private=task.private, at=now)
    HttpResponse(speech.audio, content_type="audio/mpeg", headers={"ETag": speech.etag, "X-Agenda-Voice": speech.voice})

- `subject` names what the words belong to: a task's id, or "day:<user id>" for the day's sentence. `forget` erases by
  subject: call it when a task is edited, deleted or expires, and with "day:<user id>" whenever one of the user's tasks is.
- `expires_at` is when the audio must be gone: a task's deadline; for the day, the nearest deadline among its tasks.
- `private` is True when the words must not leave this machine: for the day, when any of its tasks is private.
- All times are aware; `at` is now.

Settings it reads: AGENDA_SPEECH ("google", "local", "off"), AGENDA_SPEECH_CACHE (folder), AGENDA_SPEECH_CACHE_MIB (int),
AGENDA_GOOGLE_URL ("" for Google itself), SECRET_KEY.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings

from speech import local
from speech.errors import SpeechUnavailable

Voice = Literal["google", "local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """An MP3, the voice that speaks in it, and its strong ETag (quotes included)."""

    audio: bytes
    voice: Voice
    etag: str


def speak(
    *,
    subject: str,
    text: str,
    language: str,
    expires_at: datetime,
    private: bool,
    at: datetime,
) -> Speech:
    """Return `text` spoken in `language` ("fr" or "en"), within 3 s whatever Google does.

    Raises SpeechUnavailable when speech is off here, or when no voice of this machine works.
    """
    if not is_enabled():
        raise SpeechUnavailable("AGENDA_SPEECH is off")
    audio = local.speak(text=text, language=language)
    return Speech(audio=audio, voice="local", etag='"local"')


def forget(*, subject: str) -> None:
    """Erase this machine's audio of `subject`. Harmless to repeat; never raises."""


def erase_expired(*, at: datetime) -> int:
    """Erase this machine's audio whose time has come, without asking the database; return how many."""
    return 0


def is_enabled() -> bool:
    """Whether this site speaks at all: show the button, or not."""
    return bool(settings.AGENDA_SPEECH != "off")


def leaves_network() -> bool:
    """Whether words of tasks that are not private may be sent to Google: show the notice, or not."""
    return bool(settings.AGENDA_SPEECH == "google")


def problems() -> list[str]:
    """Return what /readyz must say: cache folder not writable, local voice missing. Empty when well."""
    return []
