"""The only door of this package: everything else calls `speak`, `forget` and the questions below.

The order: audio on disk; Google, for 2.5 s at most; the local voice. A call to Google that comes
too late goes on behind the request, and its audio is there the next time.

Settings it reads: AGENDA_SPEECH ("google", "local" or "off"), AGENDA_SPEECH_CACHE (folder),
AGENDA_SPEECH_CACHE_MIB (int), AGENDA_GOOGLE_URL ("" for Google itself), AGENDA_GOOGLE_PROXY (a URL;
"" for none) and SECRET_KEY.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.utils import timezone

from speech import google, google_line, local
from speech.cache import GOOGLE_LINE, Cache, Key, Mark, Now, Tasks
from speech.errors import SpeechError
from speech.google_line import Caller
from speech.sentences import Sentence, Speed

# What a request may wait, for another maker of the same audio and for Google together.
PATIENCE_S = 2.5
# What a call to Google may take behind the request's back, and how long it may queue for the line.
CALL_S = 5.0
CALL_S_A_REQUEST = 1.0
LINE_S = 5.0

CALLER = Caller()

Voice = Literal["google", "local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What is to be said.

    `subject` names what the words belong to: a task's id, or "day:<user id>" for the day.
    `parts` come from sentences.py.
    `expires_at` (aware) is when the audio expires: the task's deadline; for the day, the
    nearest deadline among its tasks. `private` keeps the words on this machine: for the day, when
    any of its tasks is private. `speed` is its listener's; Google's voice has no fast one. `tasks`
    are those whose words are said: their ids, each with a fingerprint of what is said of it
    (erase_changed).
    """

    subject: str
    parts: Sentence
    expires_at: datetime
    private: bool
    speed: Speed = "normal"
    tasks: Tasks = ()

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """An MP3, the voice that speaks in it, its strong ETag (quotes included), and whether its words
    stay on this machine: they may also be on their way to Google while the local voice speaks.
    """

    audio: bytes
    voice: Voice
    etag: str
    stays_here: bool


def speak(words: Utterance, *, at: datetime) -> Speech:
    """Return `words` spoken, within 3 s whatever Google does.

    Raises SpeechError when speech is off here, or when no voice of this machine works.
    """
    if not is_enabled():
        raise SpeechError("AGENDA_SPEECH is off")
    return _on_disk(words, at) or _made(words, at)


def forget(subject: str) -> None:
    """Erase this machine's audio of `subject`. Harmless to repeat; never raises.

    Call it when a task is edited or deleted, and with "day:<user id>" when one of that user's is.
    """
    _cache().forget(subject)


def forget_all(subjects: Iterable[str]) -> None:
    """As `forget` for each of many, for the price of few."""
    _cache().forget_all(subjects)


def erase_expired(*, at: datetime) -> int:
    """Erase this machine's audio whose time has come; return how many. The timer calls it.

    It asks no database: each file carries its own deadline.
    """
    return _cache().sweep(at=at)


def erase_changed(now: Now) -> int:
    """Erase this machine's audio of tasks that say other words now or are erased, wherever that was
    done; return how many. The timer calls it. `now` gets the ids of all tasks that audio lies here
    of, and is not asked when there are none.
    """
    return _cache().erase_changed(now)


def is_enabled() -> bool:
    """Whether this site speaks at all: show the button, or not."""
    return bool(settings.AGENDA_SPEECH != "off")


def leaves_network() -> bool:
    """Whether words of tasks that are not private may go to Google: show the notice, or not."""
    return bool(settings.AGENDA_SPEECH == "google")


def problems() -> list[str]:
    """What /readyz must say: cache folder not writable, local voice missing. Empty when well."""
    found = [_cache().problem(), local.problem()] if is_enabled() else []
    return [problem for problem in found if problem]


def _made(words: Utterance, at: datetime) -> Speech:
    cache, ends_s = _cache(), time.monotonic() + PATIENCE_S
    with cache.lock(words.subject, limit_s=PATIENCE_S):
        # Who held the lock before us may have made it.
        found = _on_disk(words, at)
        if found is not None:
            return found
        mark = cache.mark(words.subject)
        wait_s = 0.0 if CALLER.is_late(PATIENCE_S) else ends_s - time.monotonic()
        audio = _google(words, mark, wait_s=wait_s)
        if audio is not None:
            return _speech(words, "google", audio)
        audio = local.speak(words.parts, speed=words.speed)
        key = _key(words, "local")
        cache.write(key, audio, expires_at=words.expires_at, at=at, mark=mark)
        return _speech(words, "local", audio)


def _on_disk(words: Utterance, at: datetime) -> Speech | None:
    """Return the best voice that lies ready; behind the local one, have Google's made."""
    audio = _may_go_to_google(words) and _cache().read(_key(words, "google"), at=at)
    if audio:
        return _speech(words, "google", audio)
    audio = _cache().read(_key(words, "local"), at=at)
    if audio is None:
        return None
    _google(words, _cache().mark(words.subject), wait_s=0.0)
    return _speech(words, "local", audio)


def _google(words: Utterance, mark: Mark | None, *, wait_s: float) -> bytes | None:
    """Have Google's voice made where that is allowed; return it when it comes within `wait_s`."""
    cache = _cache()
    line = cache.folder / GOOGLE_LINE
    if not _may_go_to_google(words) or not google_line.google_is_open(line):
        return None
    key = _key(words, "google")
    call_s = CALL_S + CALL_S_A_REQUEST * _requests(words)

    def call() -> bytes:
        with google_line.google_lock(line, limit_s=LINE_S):
            host = settings.AGENDA_GOOGLE_URL.rstrip("/")
            deadline = google.Deadline.after(call_s)
            audio = b"".join(
                google.fetch(
                    part,
                    host=host,
                    deadline=deadline,
                    proxy=settings.AGENDA_GOOGLE_PROXY,
                    is_slow=words.speed == "slow",
                )
                for part in words.parts
            )
        now = timezone.now()
        cache.write(key, audio, expires_at=words.expires_at, at=now, mark=mark)
        return audio

    future = CALLER.ask(key, call)
    if future is None or wait_s <= 0:
        return None
    try:
        return future.result(timeout=wait_s)
    except TimeoutError:
        return None


def _may_go_to_google(words: Utterance) -> bool:
    is_short = 0 < _requests(words) <= google.MOST_REQUESTS
    return leaves_network() and not words.private and is_short


def _requests(words: Utterance) -> int:
    return sum(google.requests_for(part.text) for part in words.parts)


def _speech(words: Utterance, voice: Voice, audio: bytes) -> Speech:
    name = _cache().name(_key(words, voice)).removesuffix(".mp3")
    stays_here = not _may_go_to_google(words)
    return Speech(audio=audio, voice=voice, etag=f'"{name}"', stays_here=stays_here)


def _key(words: Utterance, voice: Voice) -> Key:
    return Key(
        subject=words.subject,
        language=",".join(part.language for part in words.parts),
        text="\0".join(part.text for part in words.parts),
        voice=voice,
        speed=words.speed,
        tasks=words.tasks,
    )


def _cache() -> Cache:
    secret = hmac.new(settings.SECRET_KEY.encode(), b"speech cache", hashlib.sha256).digest()
    return Cache(
        folder=Path(settings.AGENDA_SPEECH_CACHE),
        secret=secret,
        limit_bytes=settings.AGENDA_SPEECH_CACHE_MIB * 1024 * 1024,
    )
