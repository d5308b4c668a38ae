"""The agenda's settings as the environment gives them, checked all at once. No Django here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

Network = IPv4Network | IPv6Network
T = TypeVar("T")

SECRET_KEY_LENGTH_MIN = 50
# RFC 8314: encrypted from the first byte.
SMTPS_PORT = 465


class EnvironmentFault(Exception):
    """The environment cannot be used. The message has two lines a mistake: what, and Next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The REST server. Without a key of its own for tokens there is none."""

    token_key: str
    plain_http: bool
    origins: list[str]
    requests_per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """How letters leave. `security` is none, starttls or tls (from the first byte)."""

    host: str
    port: int
    security: str
    user: str
    password: str
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    role: str
    secret_key: str
    database_host: str
    database_port: int
    database_name: str
    database_user: str
    database_password: str
    database_socket: str
    database_ca: str
    allowed_hosts: list[str]
    tls_in_front: bool
    signup_open: bool
    speech: str
    speech_cache: Path
    speech_cache_mib: int
    google_url: str
    time_zone: str
    grace_s: int
    backup_days: int
    erased_journal: str
    static_root: Path
    admin_networks: list[Network]
    release: str
    mail: Mail | None
    api: Api


class _Reader:
    """Reads one variable at a time and collects every mistake."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def fault(self, what: str, next_step: str) -> None:
        self.faults.append(f"{what}\n  Next: {next_step}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self.environ.get(name, "").strip()
        if value:
            return value
        if default is None:
            self.fault(f"{name} is not set.", f"set {name} in the service's environment file.")
            return ""
        return default

    def parsed(
        self, name: str, default: str | None, parse: Callable[[str], T], expected: str, empty: T
    ) -> T:
        value = self.text(name, default)
        if not value and default is None:
            return empty
        try:
            return parse(value)
        except (ValueError, KeyError, OSError):
            self.fault(f"{name} is {value!r}.", f"give {expected}.")
            return empty

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self.fault(f"{name} is {value!r}.", f"give one of: {', '.join(allowed)}.")
        return value

    def whole(self, name: str, default: str, *, least: int, most: int) -> int:
        value = self.parsed(name, default, int, f"a whole number from {least} to {most}", least)
        if not least <= value <= most:
            self.fault(f"{name} is {value}.", f"give a whole number from {least} to {most}.")
        return value

    def secret(self, name: str) -> str:
        """The content of the file that `name` points to; the content appears in no message."""
        path = self.text(name)
        if not path:
            return ""
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            self.fault(
                f"{name}: cannot read {path!r} ({reason}).",
                "let the service's user read that file.",
            )
            return ""
        if not value:
            self.fault(f"{name}: {path!r} is empty.", "write the secret into that file.")
        return value


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _networks(value: str) -> list[Network]:
    return [ip_network(name) for name in _names(value)]


def _url(value: str) -> str:
    if value and urlsplit(value).scheme not in {"http", "https"}:
        raise ValueError(value)
    return value


def _origins(value: str) -> list[str]:
    """As browsers send them: scheme, host and port, nothing behind."""
    names = _names(value)
    for name in names:
        parts = urlsplit(name)
        if parts.scheme not in {"http", "https"} or name != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(name)
    return names


def _hosts(value: str) -> list[str]:
    names = _names(value)
    if not names or any(name.startswith("*") for name in names):
        raise ValueError(value)
    return names


def read(environ: Mapping[str, str]) -> Environment:
    """All settings of the agenda. Raises EnvironmentFault with every mistake at once."""
    reader = _Reader(environ)
    role = reader.choice("AGENDA_ROLE", "web", ("web", "rest"))
    api = _api(reader, role)
    socket = reader.text("AGENDA_DATABASE_SOCKET", "")
    environment = Environment(
        role=role,
        secret_key=_secret_key(reader, role, api.token_key),
        database_host=socket or reader.text("AGENDA_DATABASE_HOST"),
        database_port=reader.whole("AGENDA_DATABASE_PORT", "3306", least=1, most=65535),
        database_name=reader.text("AGENDA_DATABASE_NAME", "agenda"),
        database_user=reader.text("AGENDA_DATABASE_USER", "agenda"),
        database_password="" if socket else reader.secret("AGENDA_DATABASE_PASSWORD_FILE"),
        database_socket=socket,
        database_ca=reader.text("AGENDA_DATABASE_CA", ""),
        allowed_hosts=reader.parsed(
            "AGENDA_ALLOWED_HOSTS", None, _hosts, "host names, comma-separated, never *", []
        ),
        tls_in_front=reader.choice("AGENDA_TLS", "0", ("0", "1")) == "1",
        signup_open=reader.choice("AGENDA_SIGNUP", "closed", ("open", "closed")) == "open",
        speech=reader.choice("AGENDA_SPEECH", "google", ("google", "local", "off")),
        speech_cache=Path(reader.text("AGENDA_SPEECH_CACHE", "/var/cache/agenda")),
        speech_cache_mib=reader.whole("AGENDA_SPEECH_CACHE_MIB", "200", least=1, most=100_000),
        google_url=reader.parsed("AGENDA_GOOGLE_URL", "", _url, "an http(s) URL or nothing", ""),
        time_zone=reader.parsed(
            "AGENDA_TIME_ZONE", "Europe/Paris", _time_zone, "a zone such as Europe/Paris", "UTC"
        ),
        grace_s=reader.whole("AGENDA_GRACE", "0", least=0, most=30 * 24 * 3600),
        backup_days=reader.whole("AGENDA_BACKUP_DAYS", "0", least=0, most=3650),
        erased_journal=reader.text("AGENDA_ERASED_JOURNAL", ""),
        static_root=Path(reader.text("AGENDA_STATIC_ROOT", "/opt/agenda/current/static")),
        admin_networks=reader.parsed(
            "AGENDA_ADMIN_NETWORKS", "", _networks, "networks such as 10.20.28.0/24,...", []
        ),
        release=reader.text("AGENDA_RELEASE", "development"),
        mail=_mail(reader),
        api=api,
    )
    if reader.faults:
        raise EnvironmentFault("\n".join(reader.faults))
    return environment


def _time_zone(value: str) -> str:
    ZoneInfo(value)
    return value


def _mail(reader: _Reader) -> Mail | None:
    """No host, no e-mail. A password is never sent before the connection is encrypted."""
    host = reader.text("AGENDA_SMTP_HOST", "")
    if not host:
        return None
    port = reader.whole("AGENDA_SMTP_PORT", "587", least=1, most=65535)
    has_starttls = reader.choice("AGENDA_SMTP_STARTTLS", "1", ("0", "1")) == "1"
    user = reader.text("AGENDA_SMTP_USER", "")
    mail = Mail(
        host=host,
        port=port,
        security="tls" if port == SMTPS_PORT else "starttls" if has_starttls else "none",
        user=user,
        password=reader.secret("AGENDA_SMTP_PASSWORD_FILE") if user else "",
        sender=reader.parsed(
            "AGENDA_SMTP_FROM", None, _sender, "an e-mail address such as agenda@example.org", ""
        ),
    )
    if user and mail.security == "none":
        reader.fault(
            "AGENDA_SMTP_USER is set while AGENDA_SMTP_STARTTLS is 0.",
            "set AGENDA_SMTP_STARTTLS=1, or the password would cross the network in clear.",
        )
    return mail


def _sender(value: str) -> str:
    name, at, domain = value.rpartition("@")
    if not (name and at and domain) or any(sign.isspace() for sign in domain):
        raise ValueError(value)
    return value


def _secret_key(reader: _Reader, role: str, token_key: str) -> str:
    """A process for the REST server alone never sees the web's key. It signs nothing; the names of
    its own audio files are all it hides, so what it shares with the web is enough to start from.
    """
    if role == "rest":
        return hmac.new(token_key.encode(), b"rest", hashlib.sha512).hexdigest()
    return _long_secret(reader, "AGENDA_SECRET_KEY_FILE")


def _api(reader: _Reader, role: str) -> Api:
    """On wherever it has its key."""
    is_on = role == "rest" or bool(reader.text("AGENDA_TOKEN_KEY_FILE", ""))
    return Api(
        token_key=_long_secret(reader, "AGENDA_TOKEN_KEY_FILE") if is_on else "",
        plain_http=reader.choice("AGENDA_API_PLAIN_HTTP", "0", ("0", "1")) == "1",
        origins=reader.parsed(
            "AGENDA_API_ORIGINS", "", _origins, "origins such as https://example.org,...", []
        ),
        requests_per_minute=reader.whole("AGENDA_API_RATE", "600", least=1, most=1_000_000),
    )


def _long_secret(reader: _Reader, name: str) -> str:
    value = reader.secret(name)
    if value and len(value) < SECRET_KEY_LENGTH_MIN:
        reader.fault(
            f"{name}: the key has {len(value)} characters.",
            f"write at least {SECRET_KEY_LENGTH_MIN} random characters into that file.",
        )
    return value
