"""The settings come from the environment, and every mistake is named at once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import DisallowedHost

from config.environment import EnvironmentFault, read
from config.logs import WithoutSecrets, without_secrets

APP = Path(__file__).resolve().parents[2] / "app"

KEY = "0123456789abcdef" * 4


@pytest.fixture
def environ(tmp_path):
    key, password = tmp_path / "key", tmp_path / "password"
    key.write_text(KEY + "\n")
    password.write_text("not told\n")
    return {
        "AGENDA_SECRET_KEY_FILE": str(key),
        "AGENDA_DATABASE_HOST": "198.18.112.157",
        "AGENDA_DATABASE_PASSWORD_FILE": str(password),
        "AGENDA_ALLOWED_HOSTS": "198.18.28.156, localhost",
    }


def test_what_is_required_is_enough_and_the_rest_is_safe(environ):
    found = read(environ)
    assert found.secret_keys == [KEY]
    assert found.database_password == "not told"
    assert found.allowed_hosts == ["198.18.28.156", "localhost"]
    assert (found.signup, found.tls, found.grace_s) == ("closed", "0", 0)
    assert (found.speech, found.time_zone, found.admin_networks) == ("google", "Europe/Paris", [])


@pytest.mark.parametrize(("host", "kept_s"), [("198.18.112.157", 60), ("127.0.33.6", 4)])
def test_a_connection_to_one_of_several_databases_is_not_kept_for_long(environ, host, kept_s):
    assert read(environ | {"AGENDA_DATABASE_HOST": host}).database_kept_s == kept_s


@pytest.mark.parametrize(
    "name",
    [
        "AGENDA_SECRET_KEY_FILE",
        "AGENDA_DATABASE_HOST",
        "AGENDA_DATABASE_PASSWORD_FILE",
        "AGENDA_ALLOWED_HOSTS",
    ],
)
def test_a_missing_variable_is_named_with_what_to_do(environ, name):
    del environ[name]
    with pytest.raises(EnvironmentFault) as raised:
        read(environ)
    what, next_step = str(raised.value).splitlines()
    assert what == f"{name} is not set."
    assert next_step.startswith("  Next: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENDA_DATABASE_PORT", "many"),
        ("AGENDA_DATABASE_PORT", "65536"),
        ("AGENDA_ALLOWED_HOSTS", "*"),
        ("AGENDA_TLS", "yes"),
        ("AGENDA_SIGNUP", "maybe"),
        ("AGENDA_SPEECH", "loud"),
        ("AGENDA_SPEECH_CACHE_MIB", "0"),
        ("AGENDA_GOOGLE_URL", "file:///etc/passwd"),
        ("AGENDA_GOOGLE_PROXY", "198.18.112.156:3129"),
        ("AGENDA_TIME_ZONE", "Europe/Atlantis"),
        ("AGENDA_TIME_ZONE", "../etc/passwd"),
        ("AGENDA_GRACE", "-1"),
        ("AGENDA_BACKUP_DAYS", "two weeks"),
        ("AGENDA_ADMIN_NETWORKS", "10.20.28.7/24"),
        ("AGENDA_API_ORIGINS", "https://example.org/"),
        ("AGENDA_SECRET_KEY_FILE", "/nowhere/key"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(environ, name, value):
    with pytest.raises(EnvironmentFault) as raised:
        read(environ | {name: value})
    assert name in str(raised.value)
    assert str(raised.value).count("  Next: ") == 1


def test_all_mistakes_are_named_at_once(environ):
    with pytest.raises(EnvironmentFault) as raised:
        read({"AGENDA_TLS": "2", "AGENDA_GRACE": "long"})
    assert str(raised.value).count("  Next: ") == 6


@pytest.mark.parametrize("content", ["", "too short", b"\xff\xfe"])
def test_a_bad_secret_is_refused_and_never_told(environ, tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EnvironmentFault) as raised:
        read(environ | {"AGENDA_SECRET_KEY_FILE": str(file)})
    assert "too short" not in str(raised.value)


def test_a_key_file_has_the_key_that_is_used_first_then_those_that_are_accepted(environ, tmp_path):
    (tmp_path / "key").write_text(f"{'n' * 60}\n{'o' * 60}\n")
    found = read(environ | {"AGENDA_SECRET_KEY_FILE": str(tmp_path / "key")})
    assert found.secret_keys == ["n" * 60, "o" * 60]


MAIL = {"AGENDA_SMTP_HOST": "mail.example", "AGENDA_SMTP_FROM": "agenda@mail.example"}
MAIL |= {"AGENDA_SITE": "https://agenda.example"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, (587, "starttls"), id="safe by default"),
        pytest.param({"AGENDA_SMTP_PORT": "465"}, (465, "tls"), id="the port of smtps"),
        pytest.param(
            {"AGENDA_SMTP_PORT": "25", "AGENDA_SMTP_STARTTLS": "0"}, (25, "none"), id="relay"
        ),
    ],
)
def test_mail_is_on_with_a_host(environ, given, expected):
    found = read(environ | MAIL | given)
    assert (found.smtp_port, found.smtp_security) == expected
    assert not read(environ | {"AGENDA_SMTP_PORT": "25"}).smtp_host


def test_mails_password_comes_from_a_file(environ, tmp_path):
    (tmp_path / "password").write_text("s3cret\n")
    account = {"AGENDA_SMTP_USER": "agenda", "AGENDA_SMTP_PASSWORD_FILE": f"{tmp_path}/password"}
    found = read(environ | MAIL | account)
    assert (found.smtp_user, found.smtp_password) == ("agenda", "s3cret")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENDA_SMTP_PORT", "0"),
        ("AGENDA_SMTP_STARTTLS", "yes"),
        ("AGENDA_SMTP_FROM", "agenda"),
        ("AGENDA_SMTP_FROM", ""),
        ("AGENDA_SITE", ""),
        ("AGENDA_SITE", "agenda.example"),
        ("AGENDA_SITE", "https://agenda.example/"),
        ("AGENDA_SMTP_USER", "agenda"),
    ],
)
def test_a_mistake_about_mail_is_named(environ, name, value):
    with pytest.raises(EnvironmentFault) as raised:
        read(environ | MAIL | {name: value})
    assert str(raised.value).count("  Next: ") == 1
    assert name.removesuffix("_USER") in str(raised.value)


def test_mails_password_never_crosses_the_network_in_clear(environ, tmp_path):
    (tmp_path / "password").write_text("s3cret")
    account = {"AGENDA_SMTP_USER": "agenda", "AGENDA_SMTP_PASSWORD_FILE": f"{tmp_path}/password"}
    with pytest.raises(EnvironmentFault, match="AGENDA_SMTP_STARTTLS") as raised:
        read(environ | MAIL | account | {"AGENDA_SMTP_STARTTLS": "0"})
    assert "s3cret" not in str(raised.value)
    with pytest.raises(EnvironmentFault, match="AGENDA_SMTP_STARTTLS"):
        read(environ | MAIL | account | {"AGENDA_SMTP_STARTTLS": "0", "AGENDA_TLS": "2"})


def run(environ, *arguments, code=None):
    command = [sys.executable, *(["-c", code] if code else ["manage.py", *arguments])]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AGENDA_")}
    given = clean | environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run(
        command, cwd=APP, env=given, check=False, capture_output=True, text=True, timeout=60
    )


def test_a_wrong_environment_stops_the_start_with_the_reason(environ):
    done = run(environ | {"AGENDA_TLS": "2"}, "check")
    assert done.returncode == 1
    assert "AGENDA_TLS is '2'.\n  Next: give one of: 0, 1." in done.stderr


DEPLOY = ("check", "--deploy", "--fail-level", "WARNING")


def test_the_deployment_check_is_silent_with_tls_in_front(environ):
    done = run(environ | {"AGENDA_TLS": "1"}, *DEPLOY)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_with_tls_in_front_no_cookie_is_another_hosts_or_of_plain_http(environ):
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings as s\n"
        "from django.contrib.messages import storage\n"
        "names = [s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.LANGUAGE_COOKIE_NAME]\n"
        "names += [storage.default_storage(None).cookie_name]\n"
        "print(*names)"
    )
    for tls, prefix in ("0", ""), ("1", "__Host-"):
        done = run(environ | {"AGENDA_TLS": tls}, code=code)
        names = ("sessionid", "csrftoken", "django_language", "messages")
        assert done.stdout.split() == [prefix + name for name in names], done.stderr


@pytest.mark.parametrize("tls", ["0", "1"])
def test_what_nginx_says_of_tls_counts_before_the_agenda_is_told_of_it(environ, tls):
    """Between the two, and on the way back, the form of a page that came over TLS is taken."""
    code = (
        "import django; django.setup()\n"
        "from django.test import RequestFactory\n"
        "print(RequestFactory(headers={'X-Forwarded-Proto': 'https'}).get('/').is_secure())"
    )
    done = run(environ | {"AGENDA_TLS": tls}, code=code)
    assert done.stdout.strip() == "True", done.stderr


def test_plain_http_leaves_exactly_the_four_warnings_of_the_readme(environ):
    done = run(environ, *DEPLOY)
    found = {word for word in done.stderr.replace(")", "(").split("(") if "security." in word}
    expected = {"security.W004", "security.W008", "security.W012", "security.W016"}
    assert found == expected, done.stderr
    readme = (APP / "README.md").read_text()
    assert all(name.removeprefix("security.") in readme for name in expected)


def test_loading_the_application_asks_no_database(environ):
    """gunicorn --preload forks after this: a connection made here would be shared by workers."""
    code = (
        "import config.wsgi\n"
        "from django.db import connection\n"
        "assert connection.connection is None\n"
        "from django.urls import resolve; resolve('/agenda')\n"
        "assert connection.connection is None\n"
    )
    done = run(environ | {"AGENDA_DATABASE_HOST": "127.0.0.1"}, code=code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Not Found: /agenda/first-admin/abc123/", "Not Found: /agenda/first-admin/***/"),
        ("GET /agenda/reset/MQ/set-password/ 200", "GET /agenda/reset/***/ 200"),
        ("/agenda/calendar/s3cret.ics", "/agenda/calendar/***"),
        ("/agenda/tasks/new/", "/agenda/tasks/new/"),
    ],
)
def test_secret_paths_reach_no_log(told, kept):
    assert without_secrets(told) == kept


@pytest.mark.parametrize(
    ("error", "is_told_whole"),
    [
        pytest.param(DisallowedHost("Invalid HTTP_HOST header: 'x'."), False, id="a wrong Host"),
        pytest.param(KeyError("a bug"), True, id="a bug"),
    ],
)
def test_a_strangers_mistake_is_one_line_in_the_log(error, is_told_whole):
    raised = (type(error), error, None)
    record = logging.LogRecord("django", logging.ERROR, "", 0, str(error), None, raised)
    assert WithoutSecrets().filter(record)
    assert record.getMessage() == str(error)
    assert bool(record.exc_info) is is_told_whole
