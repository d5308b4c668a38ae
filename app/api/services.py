"""Every way this package writes: tokens, idempotency keys, tombstones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from agenda import erased
from agenda.forgetting import erase_in_chunks
from agenda.models import Lease, Task
from agenda.pace import Pace
from api.models import (
    HINT_LENGTH,
    OWNER_COLUMNS,
    SCOPES,
    TOKEN_COLUMNS,
    IdempotencyKey,
    Token,
    Tombstone,
    is_token,
    keyed_digests,
    new_token,
)
from api.problems import Problem
from api.rows import CompiledQuery
from config.retry import retried

TOKEN_DAYS_MAX = 365
# Often enough to know, seldom enough to cost nothing.
LAST_USED_EVERY = timedelta(minutes=1)
KEY_KEPT = timedelta(hours=24)
TOMBSTONE_KEPT = timedelta(hours=24)
READ_WHOLE: tuple[type[Model], ...] = (Task, IdempotencyKey, Tombstone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for who wants a token."""

    name: str
    scopes: list[str]
    days: int


def token_create(order: Order, *, owner_id: UUID, at: datetime) -> tuple[Token, str]:
    """Return the token and its text, which nobody can show again. Raises ValidationError."""
    name, scopes = " ".join(order.name.split()), [s for s in SCOPES if s in order.scopes]
    faults: dict[str, str] = {}
    if not scopes:
        faults["scopes"] = _("Choose at least one.")
    if not 1 <= order.days <= TOKEN_DAYS_MAX:
        faults["days"] = _("Choose 1 to 365 days.")
    text = new_token()
    token = Token(
        owner_id=owner_id,
        name=name,
        scopes=" ".join(scopes),
        digest=keyed_digests(text.encode())[0],
        hint=text[-HINT_LENGTH:],
        created_at=at,
        expires_at=at + timedelta(days=min(max(order.days, 1), TOKEN_DAYS_MAX)),
    )
    try:
        token.clean_fields(exclude=["scopes", "last_used_at"])
    except ValidationError as error:
        faults |= {field: messages[0] for field, messages in error.message_dict.items()}
    _token_save(token, faults)
    return token, text


def _is_saved(token: Token, _: dict[str, str]) -> bool | None:
    return Token.objects.select_for_update().filter(pk=token.pk).exists() or None


@retried(whole=True, unless=_is_saved)
def _token_save(token: Token, faults: dict[str, str]) -> None:
    User.objects.select_for_update().get(pk=token.owner_id)  # orders that come at once are counted
    if Token.objects.filter(owner_id=token.owner_id).count() >= settings.MOST_TOKENS:
        problem = _("Revoke a token first: there are %(most)d.")
        faults |= {"name": problem % {"most": settings.MOST_TOKENS}}
    if faults:
        raise ValidationError(faults)
    token.save(force_insert=True)


def token_find(text: str, *, at: datetime) -> Token | None:
    """The valid token whose text this is, with its owner; notes now and then that it was used."""
    if not is_token(text):
        return None
    found = (FIND_TOKEN.rows(digest=digest, at=at) for digest in keyed_digests(text.encode()))
    rows = next(filter(None, found), None)
    if rows is None:
        return None
    token = _token_of(rows[0])
    if token.last_used_at is None or token.last_used_at <= at - LAST_USED_EVERY:
        _token_used(token.id, at=at)
    return token


@retried
def _token_used(token_id: UUID, *, at: datetime) -> None:
    Token.objects.filter(id=token_id).update(last_used_at=at)


FIND_TOKEN = CompiledQuery(
    lambda *, digest, at: (
        Token.objects.valid(at=at)
        .filter(digest=digest)
        .order_by()
        .values_list(*TOKEN_COLUMNS, *(f"owner__{name}" for name in OWNER_COLUMNS))
    ),
    digest="",
    at=datetime.max.replace(tzinfo=UTC),
)


def _token_of(row: tuple[Any, ...]) -> Token:
    """The token and its owner as a QuerySet would make them."""
    values = [v.replace(tzinfo=UTC) if isinstance(v, datetime) else v for v in row]
    values[0], values[1] = UUID(row[0]), UUID(row[1])
    of_token, of_owner = values[: len(TOKEN_COLUMNS)], values[len(TOKEN_COLUMNS) + 1 :]
    token = Token.from_db(connection.alias, TOKEN_COLUMNS, of_token)
    token.owner = User.from_db(connection.alias, OWNER_COLUMNS, [token.owner_id, *of_owner])
    return token


def _is_revoked(*, owner_id: UUID, token_id: UUID) -> bool | None:
    mine = Token.objects.filter(owner_id=owner_id, id=token_id).values_list("id")
    return None if mine.select_for_update().exists() else True


@retried(whole=True, unless=_is_revoked)
def token_revoke(*, owner_id: UUID, token_id: UUID) -> bool:
    found = Token.objects.filter(owner_id=owner_id, id=token_id)
    erased.note(Token, found.values_list("pk", flat=True), at=timezone.now())
    return bool(found.delete()[0])


@retried(whole=True)
def task_once(
    make: Callable[[], Task], *, owner_id: UUID, key: str, body: bytes, at: datetime
) -> tuple[Task, bool]:
    """Return the task that `make` makes, or made before for the same `body` under the same `key`;
    and whether it is new.

    The key, the task and what joins them are one transaction: all of it happens, or nothing. A copy
    that comes meanwhile waits for it, on another node of a cluster until COMMIT, and finds the task
    as one that comes later. Raises Problem: key-reused, gone when the task was forgotten since, or
    in-flight when the first takes too long.
    """
    keys, requests = keyed_digests(owner_id.bytes + key.encode()), keyed_digests(body)
    # Whichever of two keys is a process's first: one at a time, as for the quota that follows.
    User.objects.select_for_update().values_list("pk").get(pk=owner_id)
    known = IdempotencyKey.objects.filter(owner_id=owner_id, key_digest__in=keys).first()
    if known is not None and known.expires_at > at:
        if known.request_digest not in requests:
            raise Problem("key-reused")
        before = Task.objects.of(owner_id).live(at=at).filter(id=known.task_id).first()
        if before is None:
            raise Problem("gone")
        return before, False
    if known is not None:
        known.delete()
    task = make()
    IdempotencyKey.objects.create(
        owner_id=owner_id,
        key_digest=keys[0],
        request_digest=requests[0],
        task_id=task.id,
        expires_at=min(task.deadline_at, at + KEY_KEPT),
    )
    return task, True


def tombstones_add(*, at: datetime) -> None:
    """Remember without content which tasks are about to be erased at `at`, of owners who use the
    API. Before they are: a run that is killed in between loses none.
    """
    if not settings.API_ENABLED:
        return
    forgotten, pace = Task.objects.forgotten(at=at), Pace()
    # Two questions: of a join MariaDB reads every task of these owners.
    owners = set(Token.objects.values_list("owner_id", flat=True))
    owners &= set(forgotten.values_list("owner_id", flat=True).distinct())
    expires_at = timezone.now() + TOMBSTONE_KEPT
    for owner_id in owners:
        digests = (
            _tombstone_digests(task_id, owner_id)[0]
            for task_id in forgotten.of(owner_id).values_list("id", flat=True).iterator()
        )
        while chunk := list(islice(digests, pace.rows)):
            _tombstones_save([Tombstone(digest=one, expires_at=expires_at) for one in chunk])
            if len(chunk) == pace.rows:
                pace.rest()


@retried
def _tombstones_save(tombstones: list[Tombstone]) -> None:
    Tombstone.objects.bulk_create(tombstones, ignore_conflicts=True)


def has_tombstone(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    digests = _tombstone_digests(task_id, owner_id)
    return Tombstone.objects.filter(digest__in=digests, expires_at__gt=at).exists()


def api_expire(*, at: datetime) -> None:
    """Erase what is past its time: tokens, idempotency keys, tombstones, leases of killed dumps."""
    for model in (Token, IdempotencyKey, Tombstone):
        erase_in_chunks(model._default_manager.filter(expires_at__lte=at))
    erase_in_chunks(Lease.objects.filter(until__lte=at))


def privileges_missing() -> list[str]:
    """What this process's database account may not read although the API asks it."""
    queries: dict[str, QuerySet[Any]] = {
        "api_token with account": Token.objects.with_owner().filter(owner__is_active=True),
        **{model._meta.db_table: model._default_manager.all() for model in READ_WHOLE},
    }
    missing = []
    for name, query in queries.items():
        try:
            query.first()
        except DatabaseError as error:
            missing.append(f"cannot read {name}: {error}")
    return missing


def _tombstone_digests(task_id: UUID, owner_id: UUID) -> list[str]:
    return keyed_digests(b"grave" + owner_id.bytes + task_id.bytes)
