"""Cursors: where a page ended, not how many rows went before. Pure.

A page begins after the last row of the one before, whatever was added or forgotten meanwhile: no
row comes twice, none that stays is missed. A cursor holds an instant and an identity, never a word,
because it travels in addresses.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The sort order of the list, and its last row's place in it."""

    order: str
    instant: datetime
    identity: UUID

    def __str__(self) -> str:
        micros = (self.instant - EPOCH) // MICROSECOND
        fields = json.dumps([self.order, micros, self.identity.hex], separators=(",", ":"))
        return base64.urlsafe_b64encode(fields.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Raises ValueError for whatever this module did not write."""
    try:
        padded = text + "=" * (-len(text) % 4)
        order, micros, identity = json.loads(base64.b64decode(padded, b"-_", validate=True))
        cursor = Cursor(str(order), EPOCH + micros * MICROSECOND, UUID(hex=identity))
    except (binascii.Error, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(text) from error
    if str(cursor) != text:
        raise ValueError(text)
    return cursor
