"""Every way this package writes: tokens, answers given once, graves."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from agenda import erased
from agenda.identity import uuid7
from agenda.models import Task
from api import tokens
from api.models import OWNER_COLUMNS, SCOPES, TOKEN_COLUMNS, Answer, Grave, Token
from api.problems import Problem
from api.question import Question

TOKENS_A_USER = 20
TOKEN_DAYS_MAX = 365
# Often enough to know, seldom enough to cost nothing.
LAST_USED_EVERY = timedelta(minutes=1)
ANSWER_KEPT = timedelta(hours=24)
GRAVE_KEPT = timedelta(hours=24)
ROWS_A_CHUNK = 500


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
    if Token.objects.filter(owner_id=owner_id).count() >= TOKENS_A_USER:
        faults["name"] = _("Revoke a token first: there are 20.")
    text = tokens.new_token()
    token = Token(
        owner_id=owner_id,
        name=name,
        scopes=" ".join(scopes),
        digest=tokens.digest(text, key=settings.API_TOKEN_KEY),
        hint=tokens.hint(text),
        created_at=at,
        expires_at=at + timedelta(days=min(max(order.days, 1), TOKEN_DAYS_MAX)),
    )
    try:
        token.clean_fields(exclude=["scopes", "last_used_at"])
    except ValidationError as error:
        faults |= {field: messages[0] for field, messages in error.message_dict.items()}
    if faults:
        raise ValidationError(faults)
    token.save(force_insert=True)
    return token, text


def token_find(text: str, *, at: datetime) -> Token | None:
    """The valid token whose text this is, with its owner; notes now and then that it was used."""
    if not tokens.is_token(text):
        return None
    rows = FIND_TOKEN.rows(digest=tokens.digest(text, key=settings.API_TOKEN_KEY), at=at)
    if not rows:
        return None
    token = _token_of(rows[0])
    if token.last_used_at is None or token.last_used_at <= at - LAST_USED_EVERY:
        Token.objects.filter(id=token.id).update(last_used_at=at)
    return token


FIND_TOKEN = Question(
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
    values = [_as_model_has_it(value) for value in row]
    values[:2] = UUID(row[0]), UUID(row[1])
    owner = [values[1], *values[len(TOKEN_COLUMNS) + 1 :]]
    token = Token.from_db(connection.alias, TOKEN_COLUMNS, values[: len(TOKEN_COLUMNS)])
    user = User.from_db(connection.alias, OWNER_COLUMNS, owner)
    Token._meta.get_field("owner").set_cached_value(token, user)
    return token


def _as_model_has_it(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def token_revoke(*, owner_id: UUID, token_id: UUID) -> bool:
    found = Token.objects.filter(owner_id=owner_id, id=token_id)
    erased.note(Token, found.values_list("pk", flat=True), at=timezone.now())
    return bool(found.delete()[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A request that must have its effect once: whose, under which key, and what it says."""

    owner_id: UUID
    key: str
    body: bytes

    @property
    def key_digest(self) -> str:
        return _keyed(self.owner_id.bytes + self.key.encode())

    @property
    def request_digest(self) -> str:
        return _keyed(self.body)


def task_once(once: Once, make: Callable[[], Task], *, at: datetime) -> tuple[Task, bool]:
    """Return the task that `make` makes, or made before for the same request; and which of both.

    The key, the task and what joins them are one transaction: all of it happens, or nothing. A copy
    that comes meanwhile finds the key taken but not yet written (409); one that comes later finds
    the task. Raises Problem: in-flight, key-reused, or gone when the task was forgotten since.
    """
    with _turn(once), transaction.atomic():
        answer_id = uuid7()
        if not _claim(once, answer_id, at=at):
            before = _made_before(once, at=at)
            if before is not None:
                return before, False
            if not _claim(once, answer_id, at=at):
                raise _in_flight()
        task = make()
        Answer.objects.filter(id=answer_id).update(
            task_id=task.id, expires_at=min(task.deadline_at, at + ANSWER_KEPT)
        )
    return task, True


@contextmanager
def _turn(once: Once) -> Iterator[None]:
    """Nobody else answers this key meanwhile; who comes to it does not wait. Raises Problem.

    A lock by name, which ends with its connection: to try the row's own lock would also fail when
    somebody holds the account's row, as the timer does when it forgets a task.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [once.key_digest])
        if not cursor.fetchone()[0]:
            raise _in_flight()
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [once.key_digest])


def _in_flight() -> Problem:
    return Problem("in-flight", headers={"Retry-After": "1"})


def _claim(once: Once, answer_id: UUID, *, at: datetime) -> bool:
    """Whether the key is ours now."""
    fields = [answer_id, once.owner_id, once.key_digest, once.request_digest, answer_id]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO api_answer"
                " (id, owner_id, key_digest, request_digest, task_id, expires_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [*map(str, fields), connection.ops.adapt_datetimefield_value(at + ANSWER_KEPT)],
            )
    except IntegrityError:
        return False
    return True


def _made_before(once: Once, *, at: datetime) -> Task | None:
    """The task that was made under this key; None when the key's time is over: it is free now."""
    answers = Answer.objects.filter(owner_id=once.owner_id, key_digest=once.key_digest)
    answer = answers.first()
    if answer is None or answer.expires_at <= at:
        answers.filter(expires_at__lte=at).delete()
        return None
    if answer.request_digest != once.request_digest:
        raise Problem("key-reused")
    task = Task.objects.of(once.owner_id).live(at=at).filter(id=answer.task_id).first()
    if task is None:
        raise Problem("gone")
    return task


def graves_dig(gone: Mapping[UUID, Sequence[str]]) -> None:
    """Remember without content that these tasks were here, of owners who use the API."""
    if not (gone and settings.API_ENABLED):
        return
    expires_at = timezone.now() + GRAVE_KEPT
    owners = Token.objects.filter(owner_id__in=gone.keys())
    graves = [
        Grave(digest=_grave_digest(UUID(task), owner), expires_at=expires_at)
        for owner in owners.values_list("owner_id", flat=True).distinct()
        for task in gone[owner]
    ]
    Grave.objects.bulk_create(graves, ignore_conflicts=True)


def is_in_grave(*, owner_id: UUID, task_id: UUID, at: datetime) -> bool:
    digest = _grave_digest(task_id, owner_id)
    return Grave.objects.filter(digest=digest, expires_at__gt=at).exists()


def api_forget(*, at: datetime) -> int:
    """Erase what is past its time: tokens, answers, graves. The timer calls it; in chunks."""
    past = Q(expires_at__lte=at)
    return sum(_erase(table, past) for table in (Token, Answer, Grave))


def privileges_missing() -> list[str]:
    """What this process's database account may not read although the API asks it."""
    questions: dict[str, QuerySet[Any]] = {
        "api_token with account": Token.objects.with_owner().filter(owner__is_active=True),
        "task": Task.objects.all(),
        "api_answer": Answer.objects.all(),
        "api_grave": Grave.objects.all(),
    }
    missing = []
    for name, question in questions.items():
        try:
            question.first()
        except DatabaseError as error:
            missing.append(f"cannot read {name}: {error}")
    return missing


def _erase(table: type[Token | Answer | Grave], past: Q) -> int:
    total = 0
    while True:
        ids = list(table._default_manager.filter(past).values_list("pk", flat=True)[:ROWS_A_CHUNK])
        if not ids:
            return total
        total += table._default_manager.filter(past, pk__in=ids).delete()[0]


def _grave_digest(task_id: UUID, owner_id: UUID) -> str:
    return _keyed(b"grave" + owner_id.bytes + task_id.bytes)


def _keyed(content: bytes) -> str:
    return hmac.new(settings.API_TOKEN_KEY, content, hashlib.sha256).hexdigest()
