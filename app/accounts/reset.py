"""A forgotten password: a link by e-mail. Nobody learns from it who has an account here: the answer
is the same, and comes as soon, whether there is one or not.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import smtplib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.db import DatabaseError, connection, transaction
from django.db.models import Min
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import ResetRequest, User
from accounts.services import access_end
from agenda.forgetting import erase_in_chunks
from config.retry import retried

log = logging.getLogger("agenda.mail")

REMEMBERED = timedelta(hours=1)
# What one place may ask for one e-mail address, and what all places together are sent.
ASKED_MAX, SENT_MAX = 5, 10
WAITING_MAX = 50

# Started by the first letter, thus after gunicorn has forked. Letters under way are sent at exit.
_POSTMAN = ThreadPoolExecutor(max_workers=1, thread_name_prefix="postman")
_ROOM = threading.BoundedSemaphore(WAITING_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    email: str
    client: str
    language: str
    at: datetime


def reset_ask(asked: Asked) -> int:
    """Have the links sent. Return 0, or the seconds after which this place may ask again."""
    whose = _digest("email", asked.email.casefold())
    where = _digest("place", f"{asked.email.casefold()} {asked.client}")
    since = ResetRequest.objects.filter(asked_at__gt=asked.at - REMEMBERED)
    here = since.filter(where_sha256=where)
    if here.count() >= ASKED_MAX:
        oldest = here.aggregate(Min("asked_at"))["asked_at__min"] or asked.at
        return max(1, int((oldest + REMEMBERED - asked.at).total_seconds()))
    is_enough = since.filter(whose_sha256=whose).count() >= SENT_MAX
    _note(whose, where, at=asked.at)
    if not is_enough:
        _soon(lambda: _send_links(asked))
    return 0


@retried(unless=lambda _, where, *, at: _is_noted(where, at=at))
def _note(whose: str, where: str, *, at: datetime) -> None:
    ResetRequest.objects.create(whose_sha256=whose, where_sha256=where, asked_at=at)


def _is_noted(where: str, *, at: datetime) -> bool | None:
    return ResetRequest.objects.filter(where_sha256=where, asked_at=at).exists() or None


@retried(whole=True)
def reset_done(user: User) -> None:
    """The password is new: old failures are forgiven."""
    access_end(user, kept=None)
    AccessAttempt.objects.filter(username=user.username).delete()


def resets_forget(*, at: datetime) -> int:
    """Erase what is no longer counted; return how many."""
    old = ResetRequest.objects.filter(asked_at__lte=at - REMEMBERED)
    return erase_in_chunks(old.order_by("asked_at"))


def _soon(letter: Callable[[], None]) -> None:
    if not _ROOM.acquire(blocking=False):
        log.error("too many letters wait to be sent; one was dropped")
        return
    _POSTMAN.submit(_deliver, letter)


def _deliver(letter: Callable[[], None]) -> None:
    """Errors stop here: there is nobody to tell but the log, and no name is in it."""
    try:
        letter()
    except (OSError, smtplib.SMTPException) as error:
        log.error("a letter could not be sent: %s", type(error).__name__)
    except DatabaseError as error:
        log.error("a letter could not be written: %s", type(error).__name__)
    finally:
        connection.close()
        _ROOM.release()


def _send_links(asked: Asked) -> None:
    # Django's form compares addresses letter by letter, as mail servers do; the database does not.
    for user in PasswordResetForm().get_users(asked.email):
        if isinstance(user, User):
            _send_link(user, asked)


def reset_path(user: User) -> str:
    """Where this user may choose a new password, once and within PASSWORD_RESET_TIMEOUT."""
    whose = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("reset-link", args=[whose, default_token_generator.make_token(user)])


def _send_link(user: User, asked: Asked) -> None:
    link, minutes = settings.SITE + reset_path(user), settings.PASSWORD_RESET_TIMEOUT // 60
    _send(user, "reset", to=user.email, language=asked.language, link=link, minutes=minutes)


def email_change(user: User, email: str, *, language: str) -> None:
    """The address before is told: perhaps it was not its owner who asked."""
    before, user.email = user.email, email
    _email_save(user)
    if before and before != email:
        link = settings.SITE + reverse("password")
        letter = partial(_send, user, "email", to=before, language=language, link=link)
        transaction.on_commit(partial(_soon, letter))


@retried
def _email_save(user: User) -> None:
    user.save(update_fields=["email"])


def _send(user: User, name: str, *, to: str, language: str, **context: Any) -> None:
    """`language` is that of who asked, for a user who chose none."""
    with translation.override(user.language or language):
        text = render_to_string(f"accounts/{name}_mail.txt", {"user": user} | context)
    subject, _, body = text.strip().partition("\n")
    EmailMessage(subject=subject, body=body.strip() + "\n", to=[to]).send()


def _digest(kind: str, text: str) -> str:
    """Keyed: who reads the table learns no address from it."""
    message = f"reset {kind} {text}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()
