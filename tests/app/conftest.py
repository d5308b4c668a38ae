"""Settings for the application's tests, and a MariaDB of their own: one for each pytest process.

The server is started by Popen when the first test asks for the database, and ended by that Popen.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest

from tests.app.mariadb import PrivateMariaDB, own_folder

APP = Path(__file__).resolve().parents[2] / "app"


def _settings_of(folder: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.app.settings",
        "AGENDA_SECRET_KEY_FILE": str(folder / "secret_key"),
        "AGENDA_TOKEN_KEY_FILE": str(folder / "token_key"),
        "AGENDA_API_PLAIN_HTTP": "1",
        "AGENDA_DATABASE_SOCKET": str(folder / "s"),
        "AGENDA_DATABASE_USER": "root",
        "AGENDA_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "AGENDA_SITE": "http://testserver",
        "AGENDA_SIGNUP": "open",
        "AGENDA_SPEECH": "local",
        "AGENDA_SPEECH_CACHE": str(folder / "speech"),
        "AGENDA_STATIC_ROOT": str(folder / "static"),
    }


def _give_settings(folder: Path) -> None:
    """Before any test module is imported: models need the settings, not yet the server."""
    (folder / "secret_key").write_text(secrets.token_urlsafe(60))
    (folder / "token_key").write_text(secrets.token_urlsafe(60))
    (folder / "speech").mkdir()
    os.environ |= _settings_of(folder)
    sys.path[:0] = [str(APP)]
    from compile_messages import compile_messages  # noqa: PLC0415 - found through the line above

    compile_messages(APP)
    django.setup()


FOLDER = own_folder()
_give_settings(FOLDER)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Each worker gives itself settings. With those of the process that starts it, pytest-django
    would read them first, and every worker would ask a server that is not there.
    """
    for name in _settings_of(FOLDER):
        del os.environ[name]


from django.core.handlers.base import BaseHandler  # noqa: E402 - likewise
from django.db import connection  # noqa: E402 - likewise
from django.utils import timezone  # noqa: E402 - likewise

from accounts.services import account_create  # noqa: E402 - Django is set up just above
from agenda.models import Task  # noqa: E402 - likewise
from config import retry  # noqa: E402 - likewise


@pytest.fixture(scope="session")
def mariadb() -> Iterator[PrivateMariaDB]:
    """The running server; a test that stops it starts it again."""
    if started := os.environ.get("CTLV_TESTS_MARIADB"):  # by tests/mutants, once for a thousand
        yield PrivateMariaDB(Path(started))
        return
    server = PrivateMariaDB(FOLDER)
    server.install()
    try:
        server.start()
        yield server
    finally:
        server.kill()  # its data go with it


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, mariadb: PrivateMariaDB
) -> None:
    """pytest-django calls this before it connects: the server is up from here on."""


@pytest.fixture(autouse=True)
def no_sounds_of_others() -> Iterator[None]:
    """What one test lets speak is no sound on the host of the next: the timer would erase it."""
    yield
    for sound in (FOLDER / "speech").glob("*.mp3"):
        sound.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def writes_of_requests_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a request writes must be in a `retried` write: see config/retry.py."""
    inside: list[bool] = []

    def entered(name: str) -> None:
        enter = getattr(retry, name)

        def known(*args: Any, **options: Any) -> Any:
            inside.append(True)
            try:
                return enter(*args, **options)
            finally:
                inside.pop()

        monkeypatch.setattr(retry, name, known)

    entered("_run")
    entered("_joined")

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        is_bare = not inside and sql.startswith(("INSERT", "UPDATE", "DELETE"))
        assert not is_bare, f"written outside of a retried write: {sql[:80]}"
        return execute(sql, params, many, context)

    answer = BaseHandler.get_response

    def watched(handler: BaseHandler, request: Any) -> Any:
        if request.path.startswith("/admin"):  # Django's own
            return answer(handler, request)
        with connection.execute_wrapper(look):
            return answer(handler, request)

    monkeypatch.setattr(BaseHandler, "get_response", watched)


@pytest.fixture
def alice(db: None) -> Any:
    return account_create(username="alice", password="a long enough password", language="en")


@pytest.fixture
def bob(db: None) -> Any:
    return account_create(username="bob", password="another long password", language="en")


@pytest.fixture
def page(client: Any, alice: Any) -> Any:
    """A browser in which alice has signed in."""
    client.force_login(alice)
    return client


@pytest.fixture
def add(alice: Any) -> Any:
    """Add a task for alice (or `owner`), `left` before its deadline; a negative one has passed."""

    def add_task(
        title: str = "call", *, left: timedelta = timedelta(hours=3), **given: Any
    ) -> Task:
        at = timezone.now()
        given = {"owner": alice, "created_at": at, "deadline_at": at + left} | given
        return Task.objects.create(title=title, **given)

    return add_task
