"""Identities that need no database to be unique, and still sort by the time they were made."""

from __future__ import annotations

import secrets
import time
from uuid import RFC_4122, UUID

UUID_VERSION = 7


def uuid7() -> UUID:
    """RFC 9562 version 7: 48 bits of Unix milliseconds, then random. (Python 3.14 has it.)"""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | UUID_VERSION << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)


def is_uuid7(value: UUID) -> bool:
    return value.version == UUID_VERSION and value.variant == RFC_4122
