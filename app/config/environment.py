"""The agenda's settings as the environment gives them, checked all at once. No Django here."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

SECRET_KEY_LENGTH_MIN = 50
DAY_S = 24 * 3600
# RFC 8314: encrypted from the first byte.
SMTPS_PORT = 465


class EnvironmentFault(Exception):
    """The environment cannot be used. The message has two lines a mistake: what, and Next."""


def _secret(path: str) -> str:
    """The content of the file at `path`; it appears in no message."""
    try:
        content = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise _secret_fault(
            f"cannot read {path!r} ({reason})", "let the service's user read that file"
        ) from error
    if not content:
        raise _secret_fault(f"{path!r} is empty", "write the secret into that file")
    return content


def _keys(path: str) -> list[str]:
    """A key a line: the first is used, the others are still, or already, accepted."""
    keys = _secret(path).splitlines()
    for key in keys:
        if len(key) < SECRET_KEY_LENGTH_MIN:
            raise _secret_fault(
                f"the key has {len(key)} characters",
                f"write at least {SECRET_KEY_LENGTH_MIN} random characters into that file",
            )
    return keys


def _secret_fault(what: str, next_step: str) -> PydanticCustomError:
    return PydanticCustomError("secret", "{what}", {"what": what, "next": next_step})


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError) as error:
        raise ValueError(value) from error
    return value


def _one_of(default: str, *others: str) -> Any:
    names = (default, *others)
    return Field(
        default, pattern=f"^({'|'.join(names)})$", description=f"one of: {', '.join(names)}"
    )


def _whole(default: int, *, least: int, most: int, alias: str | None = None) -> Any:
    expected = f"a whole number from {least} to {most}"
    return Field(default, ge=least, le=most, description=expected, alias=alias)


Secret = Annotated[str, BeforeValidator(_secret)]
Keys = Annotated[list[str], BeforeValidator(_keys)]
Networks = Annotated[list[IPv4Network | IPv6Network], BeforeValidator(_names)]
Host = Annotated[str, Field(pattern=r"^[^*]")]
Hosts = Annotated[list[Host], Field(min_length=1), BeforeValidator(_names)]
# As browsers send them: scheme, host and port, nothing behind.
Origin = Annotated[str, Field(pattern=r"^https?://[^/?#]+$")]
Origins = Annotated[list[Origin], BeforeValidator(_names)]


class Environment(BaseModel):
    """A field is the variable AGENDA_<NAME>, unless it has another `alias`; its `description` is
    what a message asks for.
    """

    model_config = ConfigDict(frozen=True, alias_generator=lambda name: f"AGENDA_{name.upper()}")

    role: str = _one_of("web", "rest")
    web_keys: Keys = Field([], alias="AGENDA_SECRET_KEY_FILE")
    allowed_hosts: Hosts = Field([], description="host names, comma-separated, never *")
    site: Origin = Field("", description="an origin such as https://agenda.example.org")
    tls: str = _one_of("0", "1")
    signup: str = _one_of("closed", "open")
    session_idle_s: int = _whole(14 * DAY_S, least=300, most=365 * DAY_S)
    session_longest_s: int = _whole(30 * DAY_S, least=300, most=365 * DAY_S)
    # What one account may hold.
    most_tasks: int = _whole(10_000, least=1, most=1_000_000)
    most_kib: int = _whole(10 * 1024, least=1, most=1024 * 1024)
    most_tokens: int = _whole(20, least=1, most=1000)
    audit_days: int = _whole(90, least=1, most=3650)
    admin_networks: Networks = Field([], description="networks such as 10.20.28.0/24,...")
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "Europe/Paris", description="a zone such as Europe/Paris"
    )
    static_root: Path = Path("/opt/agenda/current/static")
    release: str = "development"
    # Where workers write the figures of /metrics; none without.
    metrics: str = Field("", alias="PROMETHEUS_MULTIPROC_DIR")

    database_socket: str = ""
    database_host: str = ""
    database_port: int = _whole(3306, least=1, most=65535)
    database_name: str = "agenda"
    database_user: str = "agenda"
    database_password: Secret = Field("", alias="AGENDA_DATABASE_PASSWORD_FILE")
    database_ca: str = ""

    speech: str = _one_of("google", "local", "off")
    speech_cache: Path = Path("/var/cache/agenda")
    speech_cache_mib: int = _whole(200, least=1, most=100_000)
    google_url: str = Field("", pattern=r"(?i)^https?:", description="an http(s) URL or nothing")
    google_proxy: str = Field(
        "", pattern=r"^http://[^/\s]+$", description="a proxy such as http://127.0.0.1:3129"
    )

    grace_s: int = _whole(0, least=0, most=30 * DAY_S, alias="AGENDA_GRACE")
    backup_days: int = _whole(0, least=0, most=3650)
    erased_journal: str = ""

    # No host, no e-mail.
    smtp_host: str = ""
    smtp_port: int = _whole(587, least=1, most=65535)
    smtp_starttls: str = _one_of("1", "0")
    smtp_user: str = ""
    smtp_password: Secret = Field("", alias="AGENDA_SMTP_PASSWORD_FILE")
    smtp_from: str = Field(
        "", pattern=r"^.+@[^@\s]+$", description="an e-mail address such as agenda@example.org"
    )

    # The REST server is on wherever it has its key.
    token_keys: Keys = Field([], alias="AGENDA_TOKEN_KEY_FILE")
    api_plain_http: str = _one_of("0", "1")
    api_origins: Origins = Field([], description="origins such as https://example.org,...")
    api_rate: int = _whole(600, least=1, most=1_000_000)

    @property
    def secret_keys(self) -> list[str]:
        """A process for the REST server alone never sees the web's key. It signs nothing; the names
        of its own audio files are all it hides, so what it shares with the web is enough.
        """
        if self.role == "web":
            return self.web_keys
        return [hmac.new(self.token_keys[0].encode(), b"rest", hashlib.sha512).hexdigest()]

    @property
    def database_kept_s(self) -> int:
        """How long a connection is used. At this host's loopback is a router before several
        databases (docs/galera.md): one that is drained keeps those it has while the next one gets
        the new ones, and two that are written to give up each other's writes.
        """
        return 4 if self.database_host.startswith("127.") else 60

    @property
    def smtp_security(self) -> str:
        """none, starttls or tls (from the first byte)."""
        if self.smtp_port == SMTPS_PORT:
            return "tls"
        return "starttls" if self.smtp_starttls == "1" else "none"


def read(environ: Mapping[str, str]) -> Environment:
    """All settings of the agenda. Raises EnvironmentFault with every mistake at once."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    needed, unread = _needed_and_unread(given)
    faults = {
        name: f"{name} is not set.\n  Next: set {name} in the service's environment file."
        for name in needed
        if name not in given
    }
    try:
        found = Environment.model_validate({n: v for n, v in given.items() if n not in unread})
    except ValidationError as error:
        # The last of a variable's errors stands for all of them.
        faults |= {str(one["loc"][0]): _fault(one, given) for one in error.errors()}
    is_smtps = given.get("AGENDA_SMTP_PORT") == str(SMTPS_PORT)
    is_in_clear = given.get("AGENDA_SMTP_STARTTLS") == "0" and not is_smtps
    if is_in_clear and "AGENDA_SMTP_USER" in given.keys() - unread:
        faults["AGENDA_SMTP_USER"] = (
            "AGENDA_SMTP_USER is set while AGENDA_SMTP_STARTTLS is 0.\n  Next: set"
            " AGENDA_SMTP_STARTTLS=1, or the password would cross the network in clear."
        )
    if faults:
        raise EnvironmentFault("\n".join(faults.values()))
    return found


def _needed_and_unread(given: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """What there must be with what is given, and what is not looked at."""
    needed, unread = ["AGENDA_ALLOWED_HOSTS"], set()
    if given.get("AGENDA_ROLE") == "rest":
        needed += ["AGENDA_TOKEN_KEY_FILE"]
        unread |= {"AGENDA_SECRET_KEY_FILE"}
    else:
        needed += ["AGENDA_SECRET_KEY_FILE"]
    if "AGENDA_DATABASE_SOCKET" in given:
        unread |= {"AGENDA_DATABASE_PASSWORD_FILE"}
    else:
        needed += ["AGENDA_DATABASE_HOST", "AGENDA_DATABASE_PASSWORD_FILE"]
    if "AGENDA_SMTP_HOST" not in given:
        unread |= {name for name in given if name.startswith("AGENDA_SMTP_")}
    else:
        needed += ["AGENDA_SITE", "AGENDA_SMTP_FROM"]
        if "AGENDA_SMTP_USER" in given:
            needed += ["AGENDA_SMTP_PASSWORD_FILE"]
        else:
            unread |= {"AGENDA_SMTP_PASSWORD_FILE"}
    return needed, unread


def _fault(error: ErrorDetails, given: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "secret":
        return f"{name}: {error['msg']}.\n  Next: {error['ctx']['next']}."
    field = next(f for f in Environment.model_fields.values() if f.alias == name)
    return f"{name} is {given[name]!r}.\n  Next: give {field.description}."
