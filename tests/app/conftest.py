"""Settings for the application's tests, and a MariaDB of their own: one for each pytest process.

The server is started by Popen when the first test asks for the database, and ended by that Popen.
Its folder names this process and holds the server's pid, so that the next run also ends the server
of a run that was killed.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import pytest

APP = Path(__file__).resolve().parents[2] / "app"
# Short: a unix socket's path has at most 107 characters.
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folders made here have names of their own
BASE = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
START_LIMIT_S = 60
PREFIX = "ctlv-agenda"


def _server_user() -> str:
    """mariadbd refuses root. `mysql` exists where Debian's server is installed, nobody always."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in names else "nobody"


def _end_leftovers() -> None:
    """End servers whose pytest is gone, and remove their folders."""
    for folder in BASE.glob(f"{PREFIX}-{os.geteuid()}-*"):
        owner_pid = int(folder.name.split("-")[3])
        if Path(f"/proc/{owner_pid}").exists():
            continue
        pid_file = folder / "pid"
        if pid_file.exists() and (pid := pid_file.read_text().strip()).isdigit():
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(folder).encode() in command.read_bytes():
                os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


class PrivateMariaDB:
    """`start` and `stop` may be called again and again: the data stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "s"
        self.process: subprocess.Popen[bytes] | None = None
        self._as_user = [f"--user={_server_user()}"] if os.geteuid() == 0 else []

    def install(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, _server_user())
            shutil.chown(data, _server_user())
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db", *self._as_user),
            ],
            check=True,
            capture_output=True,
            timeout=START_LIMIT_S,
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *("mariadbd", "--no-defaults", *self._as_user),
                *(f"--datadir={self.folder}/data", f"--socket={self.socket}"),
                *(f"--pid-file={self.folder}/pid", f"--log-error={self.folder}/log"),
                *("--skip-networking", "--skip-log-bin", "--performance-schema=0"),
                *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
                *("--innodb-flush-method=nosync", "--innodb-use-native-aio=0"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"),
                "--max-connections=50",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self) -> None:
        limit = time.monotonic() + START_LIMIT_S
        ping = ["mariadb-admin", "--no-defaults", "-uroot", f"--socket={self.socket}", "ping"]
        while time.monotonic() < limit and self.process and self.process.poll() is None:
            if self.socket.exists():
                answer = subprocess.run(ping, check=False, capture_output=True, timeout=20)
                if answer.returncode == 0:
                    return
            time.sleep(0.05)
        log = self.folder / "log"
        raise RuntimeError(
            f"mariadbd did not start: {log.read_text()[-2000:] if log.exists() else ''}"
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=START_LIMIT_S)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=START_LIMIT_S)
            self.process = None


def _own_folder() -> Path:
    _end_leftovers()
    folder = BASE / f"{PREFIX}-{os.geteuid()}-{os.getpid()}-{secrets.token_hex(2)}"
    folder.mkdir(mode=0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _give_settings(folder: Path) -> None:
    """Before any test module is imported: models need the settings, not yet the server."""
    (folder / "secret_key").write_text(secrets.token_urlsafe(60))
    (folder / "speech").mkdir()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.app.settings",
        "AGENDA_SECRET_KEY_FILE": str(folder / "secret_key"),
        "AGENDA_DATABASE_SOCKET": str(folder / "s"),
        "AGENDA_DATABASE_USER": "root",
        "AGENDA_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "AGENDA_SIGNUP": "open",
        "AGENDA_SPEECH": "local",
        "AGENDA_SPEECH_CACHE": str(folder / "speech"),
        "AGENDA_STATIC_ROOT": str(folder / "static"),
    }
    sys.path[:0] = [str(APP)]
    from compile_messages import compile_messages  # noqa: PLC0415 - found through the line above

    compile_messages(APP)
    django.setup()


FOLDER = _own_folder()
_give_settings(FOLDER)

from django.utils import timezone  # noqa: E402 - likewise

from accounts.services import account_create  # noqa: E402 - Django is set up just above
from agenda.models import Task  # noqa: E402 - likewise


@pytest.fixture(scope="session")
def mariadb() -> Iterator[PrivateMariaDB]:
    """The running server; a test that stops it starts it again."""
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
