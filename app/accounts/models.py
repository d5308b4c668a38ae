"""Who uses the agenda, their sessions, and the link that makes the first administrator."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.validators import RegexValidator
from django.db import OperationalError, models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from agenda.identity import uuid7
from config.retry import retried
from speech.sentences import Speed

KEY_LENGTH = 32
# Minutes before a deadline, and the deadline itself.
LEAD_CHOICES = [
    ("10080", _("a week")),
    ("2880", _("two days")),
    ("1440", _("a day")),
    ("180", _("three hours")),
    ("60", _("an hour")),
    ("30", _("half an hour")),
    ("10", _("ten minutes")),
    ("5", _("five minutes")),
    ("0", _("at the deadline")),
]
LEADS = "1440 60 10 0"
SPEEDS = [("slow", _("slow")), ("normal", _("normal")), ("fast", _("fast"))]
VOICES = [("google", _("Google's voice")), ("local", _("This site's own voice"))]


def normal_name(name: str) -> str:
    """Alice, alice and ALICE are one account (and one throttle)."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


class PeopleManager(UserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return super().get_by_natural_key(normal_name(username or ""))

    def create_user(
        self, username: str, email: str | None = None, password: str | None = None, **extra: Any
    ) -> User:
        return super().create_user(normal_name(username), email, password, **extra)


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Compared byte by byte: unicode_ci would make «rené» and «rene» one name.
    username = models.CharField(
        _("user name"),
        max_length=60,
        unique=True,
        db_collation="utf8mb4_bin",
        validators=[
            RegexValidator(
                r"\A[\w.@+-]+\Z", _("Use letters, digits and . @ + - _ only, without spaces.")
            )
        ],
        error_messages={"unique": _("This name is taken. Choose another one.")},
    )
    language = models.CharField(_("language"), max_length=5, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    # Empty until chosen; until then this machine's voice speaks, and nothing leaves the network.
    voice = models.CharField(_("voice"), max_length=10, blank=True, choices=VOICES)
    voice_speed = models.CharField(
        _("voice speed"), max_length=10, choices=SPEEDS, default="normal", db_default="normal"
    )
    # Only the digest of the feed's secret address; empty: no feed.
    calendar_sha256 = models.CharField(  # noqa: DJ001 - unique, so that none must be NULL
        max_length=64, null=True, unique=True, editable=False, db_collation="utf8mb4_bin"
    )
    # From one wall clock to the other nothing is announced; both, or neither.
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    # How many minutes before a deadline an open page says so, 0 at the deadline itself.
    announce_minutes = models.CharField(
        _("announcements"), max_length=60, blank=True, default=LEADS, db_default=LEADS
    )
    # Single keys in the list of tasks (WCAG 2.1.4: who speaks or trembles switches them off).
    has_shortcuts = models.BooleanField(_("shortcuts"), default=True, db_default=True)
    # When a page last asked what to announce; and how many tasks were forgotten since pages began
    # to listen without their last announcement, and of how many of these the person was told.
    listened_at = models.DateTimeField(null=True, editable=False)
    forgotten_unheard = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    forgotten_told = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    # Of the second factor, where there is one: its secret, sealed; the half minute of the newest
    # code that was taken; the recovery codes left. Columns, not rows: the release before
    # must be able to delete an account.
    factor_sealed = models.CharField(max_length=72, default="", db_default="", editable=False)
    factor_step = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    recovery_digests = models.CharField(max_length=700, default="", db_default="", editable=False)
    is_probe = models.BooleanField(default=False, editable=False)

    objects: ClassVar[PeopleManager] = PeopleManager()

    class Meta(AbstractUser.Meta):
        db_table = "account"

    @property
    def speed(self) -> Speed:
        return cast(Speed, self.voice_speed)

    @property
    def lead_minutes(self) -> list[int]:
        return [int(minutes) for minutes in self.announce_minutes.split()]


class Session(AbstractBaseSession):
    """A session that knows its user: signing out everywhere, and leaving, take it along."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE)

    class Meta(AbstractBaseSession.Meta):
        db_table = "session"

    @classmethod
    def get_session_store_class(cls) -> Any:
        return SessionStore

    @cached_property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get_decoded()
        return found

    @property
    def device(self) -> str:
        return str(self.data.get("device", ""))

    @property
    def began_at(self) -> datetime | None:
        """None for one of 1.0 that was not used since."""
        return self._at("began")

    @property
    def seen_at(self) -> datetime | None:
        return self._at("seen")

    def _at(self, name: str) -> datetime | None:
        return datetime.fromtimestamp(self.data[name], UTC) if name in self.data else None


def session_digest(key: str | None) -> str:
    """What the table holds of a key: who reads it cannot be anybody."""
    return hashlib.sha256((key or "").encode()).hexdigest()[:40]


@retried
def _digest_instead(key: str, digest: str) -> None:
    Session.objects.filter(session_key=key).update(session_key=digest)


class SessionStore(DatabaseStore):
    """Ends when nobody used it for a while, and in any case a while after it began."""

    @classmethod
    def get_model_class(cls) -> Any:
        return Session

    def _get_session_from_db(self) -> Session | None:
        key, digest = self.session_key or "", session_digest(self.session_key)
        found = Session.objects.filter(session_key=digest, expire_date__gt=timezone.now())
        session = found.first()
        # 1.0 kept the key itself, which is shorter than a digest: no digest is taken for a key.
        if session is None and len(key) == KEY_LENGTH:
            _digest_instead(key, digest)
            session = found.first()
        if session is None:
            self._session_key = None
        return session

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        # Now and then, so that reading costs no write.
        if data and time.time() - data.get("seen", 0) > settings.SESSION_SEEN_EVERY:
            self.modified = True
        return data

    def cycle_key(self) -> None:
        """Not for a new SECRET_KEY: what else this browser has under way would be signed out."""
        if HASH_SESSION_KEY in self and settings.SECRET_KEY_FALLBACKS:
            user = User.objects.only("password").get(pk=self[SESSION_KEY])
            if self[HASH_SESSION_KEY] in user.get_session_auth_fallback_hash():
                return
        super().cycle_key()

    def get_session_cookie_age(self) -> int:
        left_s = self.get("began", time.time()) + settings.SESSION_LONGEST - time.time()
        return max(0, min(settings.SESSION_COOKIE_AGE, int(left_s)))

    def exists(self, session_key: str) -> bool:
        return super().exists(session_digest(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        data["seen"] = time.time()
        data.setdefault("began", data["seen"])
        instance: Any = super().create_model_instance(data)
        instance.session_key = session_digest(instance.session_key)
        instance.user_id = data.get(SESSION_KEY)
        return instance

    def _is_made(self, must_create: bool = False) -> bool | None:
        return (must_create and self.exists(self.session_key or "")) or None

    @retried(unless=_is_made)
    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as error:
            # Django takes whatever the database says for a session that somebody ended.
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise

    @retried
    def delete(self, session_key: str | None = None) -> None:
        super().delete(session_digest(session_key or self.session_key))


class FirstAdminLinkQuerySet(models.QuerySet["FirstAdminLink"]):
    def open(self, *, at: datetime) -> FirstAdminLinkQuerySet:
        return self.filter(used_at=None, expires_at__gt=at)


class FirstAdminLink(models.Model):
    """Only the token's digest is kept: who reads the database cannot use the link."""

    token_sha256 = models.CharField(max_length=64, unique=True, db_collation="utf8mb4_bin")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = FirstAdminLinkQuerySet.as_manager()

    class Meta:
        db_table = "first_admin_link"

    def __str__(self) -> str:
        return f"link until {self.expires_at:%Y-%m-%d %H:%M}"


class ResetRequest(models.Model):
    """That somebody asked for a new password: keyed digests of for whom and from where, counted
    for an hour and then erased.
    """

    whose_sha256 = models.CharField(max_length=64, db_collation="utf8mb4_bin")
    where_sha256 = models.CharField(max_length=64, db_collation="utf8mb4_bin")
    asked_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "reset_request"
        indexes = [
            models.Index(fields=["whose_sha256", "asked_at"], name="reset_request_of_whom"),
            models.Index(fields=["where_sha256", "asked_at"], name="reset_request_from_where"),
        ]

    def __str__(self) -> str:
        return f"asked at {self.asked_at:%Y-%m-%d %H:%M}"


class AuditLine(models.Model):
    """Something that happened to an account, and no word of what is in it.

    No row points to the account: that it left outlasts it, and the release before can delete one.
    """

    class What(models.TextChoices):
        SIGN_IN = "sign-in", _("signed in")
        REFUSED = "refused", _("wrong password")
        CODE_REFUSED = "code-refused", _("wrong code")
        PASSWORD_CHANGED = "password-changed", _("password changed")
        PASSWORD_RESET = "password-reset", _("password reset by e-mail")
        EMAIL_CHANGED = "email-changed", _("e-mail address changed")
        TOKEN_MADE = "token-made", _("token made")
        TOKEN_USED = "token-used", _("token used for the first time")
        TOKEN_REVOKED = "token-revoked", _("token revoked")
        FACTOR_SET = "factor-set", _("second step set up")
        FACTOR_REMOVED = "factor-removed", _("second step removed")
        RECOVERY_CODES_MADE = "recovery-codes-made", _("new recovery codes")
        SESSIONS_ENDED = "sessions-ended", _("signed out elsewhere")
        LEFT = "left", "left"
        # By an operator.
        ADMIN_LINK = "admin-link", "admin link"
        FACTOR_RESET = "factor-reset", _("second step removed by an operator")
        RESTORED = "restored", "restored"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(db_index=True)
    what = models.CharField(max_length=30)
    account_id = models.UUIDField(null=True)
    address = models.CharField(max_length=45)
    detail = models.CharField(max_length=60)

    class Meta:
        db_table = "audit_line"
        indexes = [models.Index(fields=["account_id", "at"], name="audit_line_of_account")]

    def __str__(self) -> str:
        return f"{self.what} at {self.at:%Y-%m-%d %H:%M}"

    @property
    def words(self) -> str:
        return str(self.What(self.what).label)
