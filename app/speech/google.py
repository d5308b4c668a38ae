"""The edge to Google's voice: gTTS writes the question, our own transport asks it.

gTTS 2.5.4 sends with verify=False, waits forever unless told, and takes a consent page for an empty
response (gtts/tts.py, `stream`). Here the certificate is verified, the whole exchange has one
deadline, and only MP3 is accepted. Nothing of the environment is trusted: no proxy but the one that
is given (which sees bytes of TLS: CONNECT), no netrc, no other CA.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import requests
import urllib3
from gtts import gTTS

from speech import mp3
from speech.errors import GoogleError
from speech.sentences import Part

# At DEBUG gTTS logs every word it is given.
logging.getLogger("gtts").setLevel(logging.WARNING)

HOST = "https://translate.google.com"
PATH = "/_/TranslateWebserverUi/data/batchexecute"
# As gTTS finds the audio in a line of the response.
AUDIO = re.compile(rb'jQ1olc","\[\\"(.*)\\"]')
# A hundred characters of speech are some 60 kB of base64.
LARGEST_RESPONSE_BYTES = 2 * 1024 * 1024
# A text of more requests is the local voice's: Google counts requests an address.
MOST_REQUESTS = 20
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point of the monotonic clock that a whole exchange must not pass."""

    ends_s: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        return cls(clock() + seconds, clock)

    def left_s(self) -> float:
        """Return the seconds left. Raises GoogleError when there are none."""
        left = self.ends_s - self.clock()
        if left <= 0:
            raise GoogleError("no response in time")
        return left


def requests_for(text: str) -> int:
    """Return how many requests `text` needs."""
    return len(_wrapped(text))


def fetch(
    part: Part, *, host: str, deadline: Deadline, proxy: str = "", is_slow: bool = False
) -> bytes:
    """Return `part` as MP3 in Google's voice. Raises GoogleError, and nothing else.

    `host` is a URL ("" for Google itself), `proxy` too ("" for none).
    """
    asked = gTTS(
        part.text, lang=part.language, slow=is_slow, lang_check=False, tokenizer_func=_wrapped
    )
    try:
        bodies = list(asked.get_bodies())
    except AssertionError as error:
        raise GoogleError("nothing to say in this text") from error
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"all": proxy}
        url = (host or HOST) + PATH
        return b"".join(_part(session, body, url=url, deadline=deadline) for body in bodies)


def _wrapped(text: str) -> list[str]:
    """Cut at spaces into what one request may hold: gTTS's own cutter makes three times as many."""
    return textwrap.wrap(text, gTTS.GOOGLE_TTS_MAX_CHARS)


def _part(session: requests.Session, body: str, *, url: str, deadline: Deadline) -> bytes:
    for _ in range(ATTEMPTS):
        try:
            status, content = _exchange(session, body, url=url, deadline=deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise GoogleError(f"no connection: {type(error).__name__}") from error
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            break
    if status != HTTPStatus.OK:
        is_refusal = status == HTTPStatus.TOO_MANY_REQUESTS
        raise GoogleError(f"response {status}", is_refusal=is_refusal)
    return _audio(content)


def _exchange(
    session: requests.Session, body: str, *, url: str, deadline: Deadline
) -> tuple[int, bytes]:
    response = session.post(
        url,
        data=body,
        headers=gTTS.GOOGLE_TTS_HEADERS,
        timeout=deadline.left_s(),
        verify=True,
        allow_redirects=False,
        stream=True,
    )
    with response:
        return response.status_code, b"".join(_chunks(response, deadline))


def _chunks(response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """Read as bytes arrive: a time-out of the socket alone lets a slow drip go on for ever."""
    size_bytes = 0
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        size_bytes += len(chunk)
        if size_bytes > LARGEST_RESPONSE_BYTES:
            raise GoogleError("a response larger than any speech")
        deadline.left_s()
        yield chunk


def _audio(content: bytes) -> bytes:
    found = AUDIO.search(content)
    if found is None:
        raise GoogleError("a response without audio, such as a consent page")
    try:
        audio = base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise GoogleError("audio that cannot be decoded") from error
    if not mp3.is_mp3(audio):
        raise GoogleError("audio that is not MP3")
    return audio
