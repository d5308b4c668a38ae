"""Identities that need no database to be unique, and still sort by the time they were made."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import datetime
from uuid import RFC_4122, UUID

UUID_VERSION = 7


def uuid7() -> UUID:
    """RFC 9562 version 7: 48 bits of Unix milliseconds, then random. (Python 3.14 has it.)"""
    return _uuid7(time.time_ns() // 1_000_000, secrets.randbits(80))


def uuid7_of(words: str, *, at: datetime) -> UUID:
    """The same for the same words of the same moment."""
    digest = hashlib.sha256(words.encode()).digest()
    return _uuid7(int(at.timestamp() * 1000), int.from_bytes(digest[:10]))


def _uuid7(milliseconds: int, rest: int) -> UUID:
    value = (milliseconds & (1 << 48) - 1) << 80 | rest
    value = value & ~(0xF << 76) | UUID_VERSION << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)


def is_uuid7(value: UUID) -> bool:
    return value.version == UUID_VERSION and value.variant == RFC_4122
