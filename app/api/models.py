"""Tokens, idempotency keys, and tombstones of forgotten tasks. None holds a task's words.

A token is `ctlv_`, forty random letters and digits, and six that are a checksum of those: a secret
scanner finds it by /ctlv_[0-9A-Za-z]{46}/, and tells a token from a lookalike without asking us.
The database keeps a keyed hash only; the key lies outside it.

Two tables have the names of an earlier release: the one before this must be able to use them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from agenda.identity import uuid7

NAME_LENGTH_MAX = 60
DIGEST_LENGTH = 64
SCOPES = ("read", "create", "write")
PREFIX = "ctlv_"
RANDOM_LENGTH = 40
CHECK_LENGTH = 6
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# What a person is shown to tell one token from another.
HINT_LENGTH = 4
# What a request needs to know of its token and of whose it is, in the order of the models.
TOKEN_COLUMNS = (
    *("id", "owner_id", "name", "scopes", "hint"),
    *("created_at", "expires_at", "last_used_at"),
)
OWNER_COLUMNS = (
    "id",
    "username",
    "language",
    "time_zone",
    "voice",
    "voice_speed",
    "announce_minutes",
)


def new_token() -> str:
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{PREFIX}{random}{_check(random)}"


def is_token(text: str) -> bool:
    """Whether `text` could be a token of ours: no need to ask the database otherwise."""
    random = text.removeprefix(PREFIX)[:RANDOM_LENGTH]
    return hmac.compare_digest(text.encode(), f"{PREFIX}{random}{_check(random)}".encode())


def _check(random: str) -> str:
    number, letters = zlib.crc32(random.encode()), ""
    while len(letters) < CHECK_LENGTH:
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters


def keyed_digests(content: bytes) -> list[str]:
    """By each key that is accepted; what is written has the first."""
    return [hmac.new(k, content, hashlib.sha256).hexdigest() for k in settings.API_TOKEN_KEYS]


class TokenQuerySet(models.QuerySet["Token"]):
    def valid(self, *, at: datetime) -> TokenQuerySet:
        return self.filter(expires_at__gt=at, owner__is_active=True)

    def with_owner(self) -> TokenQuerySet:
        """Names its columns: the REST server's account may read no others of `account`."""
        return self.select_related("owner").only(
            *TOKEN_COLUMNS, *(f"owner__{name}" for name in OWNER_COLUMNS)
        )


class Token(models.Model):
    """`digest` is the keyed hash of what its owner was shown once; `hint` its last letters."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(_("name"), max_length=NAME_LENGTH_MAX)
    scopes = models.CharField(max_length=30)
    digest = models.CharField(max_length=DIGEST_LENGTH, unique=True, db_collation="utf8mb4_bin")
    hint = models.CharField(max_length=8)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    last_used_at = models.DateTimeField(null=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        db_table = "api_token"
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"

    @property
    def scope_list(self) -> list[str]:
        return [scope for scope in SCOPES if scope in self.scopes.split()]


class IdempotencyKey(models.Model):
    """What a POST with an Idempotency-Key made: which task, and of which request."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="+"
    )
    key_digest = models.CharField(max_length=DIGEST_LENGTH, db_collation="utf8mb4_bin")
    request_digest = models.CharField(max_length=DIGEST_LENGTH, db_collation="utf8mb4_bin")
    task_id = models.UUIDField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "api_answer"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key_digest"], name="api_answer_of_owner_by_key"
            )
        ]

    def __str__(self) -> str:
        return f"key until {self.expires_at:%Y-%m-%d %H:%M}"


class Tombstone(models.Model):
    """Proof, without content, that an owner once had a task: its address answers 410, not 404."""

    digest = models.CharField(
        primary_key=True, max_length=DIGEST_LENGTH, db_collation="utf8mb4_bin"
    )
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "api_grave"

    def __str__(self) -> str:
        return f"tombstone until {self.expires_at:%Y-%m-%d %H:%M}"
