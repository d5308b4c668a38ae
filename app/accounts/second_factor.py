"""The second factor: six digits that an app shows, other ones each half minute (RFC 6238)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32encode
from datetime import datetime
from textwrap import wrap

from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from pyotp import TOTP
from pyotp.exceptions import OTPVerificationError

from accounts.models import User
from config.retry import retried

# RFC 4226 recommends 160 bits.
SECRET_BYTES, SALT_BYTES = 20, 16
# A phone's clock may differ by half a minute, and typing takes a while.
STEPS_AROUND = 1
RECOVERY_CODES = 10
RECOVERY_DIGITS = 16


class CodeBackend(BaseBackend):
    """Beside that of passwords, so that a wrong code counts as a wrong password does."""

    def authenticate(  # type: ignore[override] # each backend has credentials of its own
        self, request: HttpRequest, *, username: str, code: str
    ) -> User | None:
        user = User.objects.filter(username=username, is_active=True).first()
        return user if user and code_take(user, code, at=timezone.now()) else None


def seal(user: User, app: TOTP) -> str:
    """What the database keeps: who reads it without the site's key cannot make codes. The secret is
    under bits that are used once: those of a random salt, which stands before it, and this user.
    """
    salt = secrets.token_hex(SALT_BYTES)
    return salt + _under(user, salt, app.byte_secret(), settings.SECRET_KEY).hex()


def opened(user: User, sealed: str, *, key: str | bytes = "") -> TOTP:
    salt, text = sealed[: 2 * SALT_BYTES], bytes.fromhex(sealed[2 * SALT_BYTES :])
    return TOTP(b32encode(_under(user, salt, text, key or settings.SECRET_KEY)).decode())


def _under(user: User, salt: str, text: bytes, key: str | bytes) -> bytes:
    name = f"{user.pk} {salt}"
    bits = salted_hmac("accounts.second-factor", name, secret=key, algorithm="sha256").digest()
    return bytes(a ^ b for a, b in zip(text, bits[:SECRET_BYTES], strict=True))


def step_of(app: TOTP, code: str, *, at: datetime) -> int:
    """The half minute that this is the code of; 0 when it is none of now."""
    digits = "".join(code.split())
    try:
        return app.verify_and_get_timecode(digits, for_time=at, valid_window=STEPS_AROUND)
    except OTPVerificationError:
        return 0


def code_take(user: User, code: str, *, at: datetime) -> bool:
    """Whether this is a code of the user's, of the app or for recovery; from then on it is not.

    While a new key comes into use that before counts too: each code seals the secret anew.
    """
    if not user.factor_sealed:
        return False
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    apps = [opened(user, user.factor_sealed, key=key) for key in keys]
    digits = "".join(code.split())
    if len(digits) == RECOVERY_DIGITS:
        return any(_recovery_take(user, app, digits) for app in apps)
    return any(_step_take(user, app, step_of(app, digits, at=at)) for app in apps)


@retried
def _recovery_take(user: User, app: TOTP, digits: str) -> bool:
    left, used = user.recovery_digests, _digest(app, digits)
    rest = " ".join(digest for digest in left.split() if digest != used)
    now = User.objects.filter(pk=user.pk, recovery_digests=left)
    return rest != left and bool(now.update(recovery_digests=rest, factor_sealed=seal(user, app)))


@retried
def _step_take(user: User, app: TOTP, step: int) -> bool:
    earlier = User.objects.filter(pk=user.pk, factor_step__lt=step)
    return bool(earlier.update(factor_step=step, factor_sealed=seal(user, app)))


@retried
def factor_set(user: User, app: TOTP, *, step: int) -> list[str]:
    """`step`: of the code that proved it. Return the recovery codes; none when there is a second
    factor already, by a second click on the same button.
    """
    codes, digests = _recovery_codes(app)
    is_first = User.objects.filter(pk=user.pk, factor_sealed="")
    done = is_first.update(
        factor_sealed=seal(user, app), factor_step=step, recovery_digests=digests
    )
    return codes if done else []


@retried
def recovery_codes_new(user: User) -> list[str]:
    """In the place of those before. Nobody can show them again."""
    codes, digests = _recovery_codes(opened(user, user.factor_sealed))
    User.objects.filter(pk=user.pk).update(recovery_digests=digests)
    return codes


def _recovery_codes(app: TOTP) -> tuple[list[str], str]:
    numbers = [secrets.randbelow(10**RECOVERY_DIGITS) for _ in range(RECOVERY_CODES)]
    codes = [f"{number:0{RECOVERY_DIGITS}}" for number in numbers]
    digests = " ".join(_digest(app, code) for code in codes)
    return [" ".join(wrap(code, 4)) for code in codes], digests


@retried
def factor_remove(user: User) -> None:
    """With its recovery codes."""
    User.objects.filter(pk=user.pk).update(factor_sealed="", factor_step=0, recovery_digests="")


def _digest(app: TOTP, code: str) -> str:
    """Keyed with the app's secret, which outlives the site's key."""
    return hmac.new(app.byte_secret(), code.encode(), hashlib.sha256).hexdigest()
