"""Every way an account is written."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from axes.models import AccessAttempt
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.audit import What, note
from accounts.models import AuditLine, FirstAdminLink, Session, User, normal_name, session_digest
from agenda import erased
from agenda.forgetting import erase_in_chunks
from agenda.identity import uuid7
from agenda.services import day_subject
from config.retry import retried
from speech import services as speech

FIRST_ADMIN_LINK_VALID = timedelta(hours=24)
# Longer than any drill takes: an older probe was left by a run that was killed.
PROBE_LIVES = timedelta(hours=3)


def _made(*, identity: UUID, **_: Any) -> User | None:
    return User.objects.select_for_update().filter(pk=identity).first()


@retried(unless=_made, given={"identity": uuid7})
def account_create(
    *, username: str, password: str, identity: UUID | None = None, **extra: Any
) -> User:
    """The names and the password were checked by the form. Raises ValidationError when the name
    was taken since: by somebody else, or by a second click on the same button.
    """
    try:
        with transaction.atomic():
            return User.objects.create_user(
                username, password=password, id=identity or uuid7(), **extra
            )
    except IntegrityError as error:
        taken = User._meta.get_field("username").error_messages["unique"]
        raise ValidationError({"username": taken}) from error


@retried(whole=True)
def first_admin_link_create(*, at: datetime) -> str:
    """Return the new link's token; it is the only open one, and only its digest is kept."""
    token = secrets.token_urlsafe(32)
    FirstAdminLink.objects.all().delete()
    FirstAdminLink.objects.create(
        token_sha256=_digest(token), expires_at=at + FIRST_ADMIN_LINK_VALID
    )
    return token


def first_admin_link_is_open(token: str, *, at: datetime) -> bool:
    return FirstAdminLink.objects.open(at=at).filter(token_sha256=_digest(token)).exists()


def _is_used_up(*, token: str, username: str, at: datetime, **_: Any) -> User | None:
    links = FirstAdminLink.objects.filter(token_sha256=_digest(token), used_at=at)
    is_ours = links.select_for_update().exists()
    return User.objects.filter(username=normal_name(username)).first() if is_ours else None


@retried(whole=True, unless=_is_used_up)
def first_admin_create(
    *, token: str, username: str, password: str, at: datetime, email: str = ""
) -> User | None:
    """Use the link up and make the administrator, both or neither. None: used or old. Raises
    ValidationError as account_create does.
    """
    links = FirstAdminLink.objects.open(at=at).filter(token_sha256=_digest(token))
    if not links.update(used_at=at):
        return None
    return account_create(
        username=username, password=password, email=email, is_staff=True, is_superuser=True
    )


@retried(whole=True)
def access_end(user: User, *, kept: str | None) -> None:
    """The password is new: whoever got in before is out, by session (but the one `kept`), token or
    feed.
    """
    sessions_of(user).exclude(pk=session_digest(kept)).delete()
    erased.note(user.tokens.model, user.tokens.values_list("pk", flat=True), at=timezone.now())
    user.tokens.all().delete()
    calendar_close(user)


def sessions_of(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user, expire_date__gt=timezone.now())


@retried
def calendar_open(user: User) -> str:
    """Return the new feed's token; an address given out before stops working."""
    token = secrets.token_urlsafe(32)
    User.objects.filter(pk=user.pk).update(calendar_sha256=_digest(token))
    return token


@retried
def calendar_close(user: User) -> None:
    User.objects.filter(pk=user.pk).update(calendar_sha256=None)


def calendar_owner(token: str) -> User | None:
    return User.objects.filter(calendar_sha256=_digest(token), is_active=True).first()


def sessions_forget(*, at: datetime) -> int:
    """Erase sessions that have ended; return how many."""
    return erase_in_chunks(Session.objects.filter(expire_date__lte=at).order_by("expire_date"))


def probe_create(purpose: str, *, at: datetime) -> dict[str, str]:
    """An account for one run at one host. What killed runs left goes, with all it held; those of
    runs under way stay, since hosts are asked at once.
    """
    _probes_remove(User.objects.filter(date_joined__lt=at - PROBE_LIVES))
    name, password = f"probe-{purpose}-{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    account_create(username=name, password=password, is_probe=True)
    return {"username": name, "password": password}


def probe_remove(username: str) -> int:
    return _probes_remove(User.objects.filter(username=username))


def probes_remove(purpose: str) -> int:
    return _probes_remove(User.objects.filter(username__startswith=f"probe-{purpose}-"))


def _probes_remove(users: QuerySet[User]) -> int:
    probes = list(users.filter(is_probe=True))
    for probe in probes:
        account_remove(probe)
    return len(probes)


def account_remove(user: User) -> None:
    """Erase an account with everything that is its own: tasks, audio, sessions, failed sign-ins."""
    subjects = [day_subject(user.pk), *map(str, user.tasks.values_list("id", flat=True))]
    _account_erase(user.pk, user.username, is_probe=user.is_probe)
    for subject in subjects:
        speech.forget(subject)


def _is_erased(identity: UUID, *_: Any, **__: Any) -> bool | None:
    is_there = User.objects.select_for_update().filter(pk=identity).exists()
    return None if is_there else True


@retried(whole=True, unless=_is_erased)
def _account_erase(identity: UUID, username: str, *, is_probe: bool) -> None:
    AccessAttempt.objects.filter(username=username).delete()
    erased.note(User, [identity], at=timezone.now())
    AuditLine.objects.filter(account_id=identity).delete()
    if not is_probe:
        note(What.LEFT, identity, request=None)
    User.objects.filter(pk=identity).delete()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
