"""How passwords are kept."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with OWASP's figures. Django's own take 100 MiB a sign-in: eight at once would
    be more than the whole service may use.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1
