"""An MP3 over HTTP: with ranges, because Safari plays nothing without them."""

from __future__ import annotations

import re
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from speech.services import Speech, Utterance

# nginx refuses responses whose headers are larger than its buffer of 4 KiB.
HEADER_LENGTH_MAX = 2500
# More digits than a file can have bytes are no number: int() refuses thousands of them.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)


def sound(request: HttpRequest, said: Speech, *, words: Utterance) -> HttpResponse:
    """Never kept by the browser: it must be able to forget too. `Sunset` (RFC 8594) says when."""
    audio = said.audio
    # Of another sound the client holds a part: the whole of this one (If-Range).
    is_same = request.headers.get("If-Range", said.etag) == said.etag
    part = _part(request.headers.get("Range", "") if is_same else "", len(audio))
    if part is None:
        response = HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(audio)}"})
    elif len(part) == len(audio):
        response = HttpResponse(audio)
    else:
        response = HttpResponse(audio[part.start : part.stop], status=206)
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(audio)}"
    response["Content-Type"] = "audio/mpeg"
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-store"
    response["ETag"] = said.etag
    response["Sunset"] = http_date(words.expires_at.timestamp())
    response["X-Agenda-Voice"] = said.voice
    if len(text := quote(words.text)) <= HEADER_LENGTH_MAX:
        response["X-Agenda-Text"] = text
    return response


def _part(header: str, length: int) -> range | None:
    """The bytes asked for. An unreadable header asks for all; None: there are no such bytes."""
    found = _RANGE.match(header.strip())
    if not found or found.groups() == ("", ""):
        return range(length)
    first, last = found.groups()
    if not first:
        return range(max(0, length - int(last)), length) if int(last) else None
    start, stop = int(first), min(int(last) + 1 if last else length, length)
    return range(start, stop) if start < stop else None
