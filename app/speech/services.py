"""The only door of this package: everything else calls `speak`, `forget` and the questions below.

How a view uses it, once it knows that the task is the user's and still lives:

    words = Utterance(
        subject=str(task.pk),
        text=task_sentence(title=task.title, deadline_at=..., at=..., language="fr"),
        language="fr",
        expires_at=task.deadline_at,
        private=task.private,
    )
    speech = speak(words, at=timezone.now())
    HttpResponse(speech.audio, content_type="audio/mpeg", headers={"ETag": speech.etag, ...})

Settings it reads: AGENDA_SPEECH ("google", "local" or "off"), AGENDA_SPEECH_CACHE (folder),
AGENDA_SPEECH_CACHE_MIB (int), AGENDA_GOOGLE_URL ("" for Google itself) and SECRET_KEY.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings

from speech import local
from speech.errors import SpeechError

Voice = Literal["google", "local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What is to be said.

    `subject` names what the words belong to: a task's id, or "day:<user id>" for the day's sentence.
    `text` comes from sentences.py; `language` is a language code ("fr", "en-gb").
    `expires_at` (aware) is when the audio must be gone: the task's deadline; for the day, the nearest
    deadline among its tasks. `private` keeps the words on this machine: for the day, when any of its
    tasks is private.
    """

    subject: str
    text: str
    language: str
    expires_at: datetime
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """An MP3, the voice that speaks in it, and its strong ETag (quotes included)."""

    audio: bytes
    voice: Voice
    etag: str


def speak(words: Utterance, *, at: datetime) -> Speech:
    """Return `words` spoken, within 3 s whatever Google does.

    Raises SpeechError when speech is off here, or when no voice of this machine works.
    """
    if not is_enabled():
        raise SpeechError("AGENDA_SPEECH is off")
    audio = local.speak(text=words.text, language=words.language)
    return Speech(audio=audio, voice="local", etag='"local"')


def forget(subject: str) -> None:
    """Erase this machine's audio of `subject`. Harmless to repeat; never raises.

    Call it when a task is edited or deleted, and with "day:<user id>" when one of the user's tasks is.
    """


def erase_expired(*, at: datetime) -> int:
    """Erase this machine's audio whose time has come, without asking the database; return how many.

    Called by the timer.
    """
    return 0


def is_enabled() -> bool:
    """Whether this site speaks at all: show the button, or not."""
    return bool(settings.AGENDA_SPEECH != "off")


def leaves_network() -> bool:
    """Whether words of tasks that are not private may go to Google: show the notice, or not."""
    return bool(settings.AGENDA_SPEECH == "google")


def problems() -> list[str]:
    """What /readyz must say: cache folder not writable, local voice missing. Empty when well."""
    return []
