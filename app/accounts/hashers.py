"""How passwords are kept, and how many are worked on at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    ScryptPasswordHasher,
)

# Each takes a core and 19 MiB. In a process one is worked on and two wait for it: nginx lets
# through two of one address, and a thread is left for pages. The work is the host's, so it is
# counted here and not in the database.
_INSIDE = threading.BoundedSemaphore(3)
_AT_WORK = threading.Lock()


class TooBusy(Exception):
    """More passwords came at once than there is room for."""


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's figures. Django's own take 100 MiB a sign-in: eight at once would
    be more than the whole service may use. Raises TooBusy.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _turn():
            return super().verify(password, encoded)


class _InTurn:
    """Of accounts that were imported: their first sign-in makes it Argon2. Their `verify` is an
    `encode` and a comparison.
    """

    def encode(self, *given: Any, **named: Any) -> str:
        with _turn():
            encoded: str = super().encode(*given, **named)  # type: ignore[misc]
            return encoded


class PBKDF2Hasher(_InTurn, PBKDF2PasswordHasher):
    pass


class PBKDF2SHA1Hasher(_InTurn, PBKDF2SHA1PasswordHasher):
    pass


class ScryptHasher(_InTurn, ScryptPasswordHasher):
    pass


@contextmanager
def _turn() -> Iterator[None]:
    if not _INSIDE.acquire(blocking=False):
        raise TooBusy
    try:
        with _AT_WORK:
            yield
    finally:
        _INSIDE.release()
