"""The only settings module: everything that differs between machines comes from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config.environment import EnvironmentFault, read

try:
    AGENDA = read(os.environ)
except EnvironmentFault as fault:
    raise ImproperlyConfigured(f"the agenda cannot start:\n{fault}") from fault

BASE_DIR = Path(__file__).resolve().parent.parent

# "rest": this process is the REST server alone. It signs nobody in, so it needs, and its database
# account may read, nothing of sessions, passwords and e-mail addresses.
ROLE = AGENDA.role
IS_WEB = AGENDA.role == "web"

SECRET_KEY, *SECRET_KEY_FALLBACKS = AGENDA.secret_keys
DEBUG = False
ALLOWED_HOSTS = AGENDA.allowed_hosts
ROOT_URLCONF = "config.urls" if IS_WEB else "config.rest_urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"


def _of_the_web(*names: str) -> tuple[str, ...]:
    return names if IS_WEB else ()


INSTALLED_APPS = [
    "agenda",
    "accounts",
    "speech",
    "api",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    *_of_the_web(
        "django.contrib.admin",
        "django.contrib.sessions",  # its base classes and checks; the table is accounts.Session
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "django.forms",
        "axes",
    ),
]

# Outermost, and only where somebody reads them.
METRICS = bool(AGENDA.metrics)

MIDDLEWARE = [
    *(["config.metrics.MetricsMiddleware"] if METRICS else []),
    "config.middleware.SecurityHeadersMiddleware",
    "api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    *_of_the_web(
        "config.middleware.ClientAddressMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
    ),
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    *_of_the_web(
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "config.middleware.PreferencesMiddleware",
        "accounts.access.SecondFactorMiddleware",
        "config.errors.RefusedMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ),
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    *_of_the_web("axes.middleware.AxesMiddleware"),
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
            ],
        },
    },
]

# The server must prove who it is, or nothing is sent to it.
DATABASE_TLS = {"ssl": {"ca": AGENDA.database_ca}, "ssl_mode": "VERIFY_IDENTITY"}
# MariaDB everywhere, tests included. Ansible creates the database with the same collation.
DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "config.mysql",
        "NAME": AGENDA.database_name,
        "USER": AGENDA.database_user,
        "PASSWORD": AGENDA.database_password,
        "HOST": AGENDA.database_socket or AGENDA.database_host,
        "PORT": "" if AGENDA.database_socket else AGENDA.database_port,
        "CONN_MAX_AGE": AGENDA.database_kept_s,
        # After the database was restarted nobody is told of it.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "charset": "utf8mb4",
            "collation": "utf8mb4_unicode_ci",
            "isolation_level": "read committed",
            "sql_mode": "TRADITIONAL",
            # Nobody holds a row for longer; a thread of everybody's does not wait for who does.
            "init_command": "SET innodb_lock_wait_timeout = 5",
            # A database that is away must give its 503 page before the reader gives up.
            "connect_timeout": 3,
            **(DATABASE_TLS if AGENDA.database_ca else {}),
            "read_timeout": 60,
            "write_timeout": 60,
        },
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"},
    }
}

# Accounts. Throttling counts name and address together: a campus behind one address is never
# locked out because of one forgotten password. Names that failed from one address count too, until
# they are signed in to from there: of 200 people who sign in at once, every tenth may mistype.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "accounts.second_factor.CodeBackend",
]
# The first keeps them; the others are what `make import` may bring.
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2Hasher",
    "accounts.hashers.PBKDF2Hasher",
    "accounts.hashers.PBKDF2SHA1Hasher",
    "accounts.hashers.ScryptHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "agenda"
LOGOUT_REDIRECT_URL = "sign-in"
SIGNUP_OPEN = AGENDA.signup == "open"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 6
SPRAYED_NAMES = 20
AXES_HANDLER = "accounts.throttle.Handler"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_RETRY_AFTER_HEADER = True
AXES_DISABLE_ACCESS_LOG = True
AXES_CLIENT_IP_CALLABLE = "config.middleware.client_address"
AXES_USERNAME_CALLABLE = "accounts.throttle.throttled_name"
AXES_LOCKOUT_CALLABLE = "accounts.throttle.locked_out"
# django-axes keeps the form of whoever is refused: without what was typed, which may be a password
# or a task, also one that the form carries along for later.
_TYPED = (
    *("username", "password", "password1", "password2", "code", "sealed", "email", "next"),
    *("old_password", "new_password1", "new_password2", "name", "title", "notes", "tags", "line"),
    "announce_minutes",
)
AXES_SENSITIVE_PARAMETERS = [*_TYPED, *(f"kept-{name}" for name in _TYPED)]
AXES_VERBOSE = False

# Sessions know their user, so that an account leaves nothing behind.
SESSION_ENGINE = "accounts.models"
SESSION_COOKIE_AGE, SESSION_LONGEST = AGENDA.session_idle_s, AGENDA.session_longest_s
SESSION_SEEN_EVERY = min(3600, SESSION_COOKIE_AGE / 10)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
MESSAGE_STORAGE = "config.middleware.MessageStorage"

# Where letters lead. A request's Host is whatever a stranger writes.
SITE = AGENDA.site

# One variable says whether TLS stands in front; cookies and HSTS follow it.
TLS_IN_FRONT = AGENDA.tls == "1"
# A browser takes a cookie of this name from this very host alone, and over TLS.
COOKIE_PREFIX = "__Host-" if TLS_IN_FRONT else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}django_language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = TLS_IN_FRONT
SECURE_SSL_REDIRECT = SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS_IN_FRONT
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if TLS_IN_FRONT else 0
# Also where it is off: while it is switched on or off nginx speaks it, and the agenda counts
# without.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# A program that is redirected has sent its token in clear already: the API refuses it and says so.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/"]
SECURE_CONTENT_TYPE_NOSNIFF = True
# Never no-referrer on a page with a form: the browser then sends "Origin: null", and the form is
# refused as a stranger's. Within the site the address of a secret link may be told.
SECURE_REFERRER_POLICY = "same-origin"
# Browsers ignore it over plain http, and complain.
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if TLS_IN_FRONT else None
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
ADMIN_NETWORKS = AGENDA.admin_networks

# The largest honest form is a note of 10,000 characters, percent-encoded.
DATA_UPLOAD_MAX_MEMORY_SIZE = 512 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", _("French")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = AGENDA.time_zone

STATIC_URL = "/static/"
STATIC_ROOT = AGENDA.static_root
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

AGENDA_SPEECH = AGENDA.speech
AGENDA_SPEECH_CACHE = AGENDA.speech_cache
AGENDA_SPEECH_CACHE_MIB = AGENDA.speech_cache_mib
AGENDA_GOOGLE_URL = AGENDA.google_url
AGENDA_GOOGLE_PROXY = AGENDA.google_proxy
GRACE_S = AGENDA.grace_s
BACKUP_DAYS = AGENDA.backup_days

# The REST server. Its tokens have a key of their own: a container for the API alone shares it.
API_ENABLED = bool(AGENDA.token_keys)
API_TOKEN_KEYS = [key.encode() for key in AGENDA.token_keys]
API_PLAIN_HTTP = AGENDA.api_plain_http == "1"
API_ORIGINS = AGENDA.api_origins
API_RATE = AGENDA.api_rate

MOST_TASKS, MOST_KIB = AGENDA.most_tasks, AGENDA.most_kib
MOST_TOKENS = AGENDA.most_tokens

AUDIT_DAYS = AGENDA.audit_days
ERASED_JOURNAL = AGENDA.erased_journal
RELEASE = AGENDA.release

MAIL_ENABLED = bool(AGENDA.smtp_host)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if MAIL_ENABLED else 'dummy'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = AGENDA.smtp_host, AGENDA.smtp_port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = AGENDA.smtp_user, AGENDA.smtp_password
EMAIL_USE_TLS = AGENDA.smtp_security == "starttls"
EMAIL_USE_SSL = AGENDA.smtp_security == "tls"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = AGENDA.smtp_from
EMAIL_TIMEOUT = 10
PASSWORD_RESET_TIMEOUT = 3600

# Warnings and worse to stderr, which systemd keeps. Request lines belong to nginx, whose format
# leaves out query strings and secret paths; so must we: see config.logs.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_secrets": {"()": "config.logs.WithoutSecrets"}},
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["without_secrets"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},
        "agenda": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "axes": {"level": "ERROR"},
    },
}
