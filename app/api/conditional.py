"""ETags, and what they decide (RFC 9110, section 13). Pure but for reading headers."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest
from django.utils.http import parse_etags

from api.problems import Problem

ETAG_CHARACTERS = 32


def etag(content: bytes) -> str:
    """A strong ETag, with its quotes."""
    return f'"{hashlib.sha256(content).hexdigest()[:ETAG_CHARACTERS]}"'


def is_unchanged(request: HttpRequest, current: str) -> bool:
    """Whether the client already holds `current`: If-None-Match, compared weakly."""
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or current in {tag.removeprefix("W/") for tag in known}


def require_precondition(request: HttpRequest) -> None:
    """Raises 428 without If-Match; before anything is asked of the database."""
    if request.headers.get("If-Match") is None:
        raise Problem("precondition-required")


def require_match(request: HttpRequest, current: str) -> None:
    """Raises 412 when the task has changed since it was read: compared strongly."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if "*" not in wanted and current not in wanted:
        raise Problem("precondition-failed", headers={"ETag": current})
