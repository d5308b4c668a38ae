"""A REST server as deployed, on this machine: private MariaDB, its own account, gunicorn, no nginx.

One worker, so that its CPU and its memory are those of the requests.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.app.mariadb import PrivateMariaDB, own_folder

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
START_WITHIN_S = 30
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
USER = "agenda_rest"


class Bench:
    """The database with its schema and the REST account, and the environment of every process."""

    def __init__(self, folder: Path, database: PrivateMariaDB) -> None:
        self.folder, self.database = folder, database
        for name in ("secret_key", "token_key"):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(secrets.token_urlsafe(60))
        (folder / "speech").mkdir(exist_ok=True)
        self.common = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{APP}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "AGENDA_SECRET_KEY_FILE": str(folder / "secret_key"),
            "AGENDA_TOKEN_KEY_FILE": str(folder / "token_key"),
            "AGENDA_API_PLAIN_HTTP": "1",
            "AGENDA_API_RATE": "1000000",
            "AGENDA_MOST_TASKS": "1000000",
            "AGENDA_MOST_KIB": "1000000",
            "AGENDA_DATABASE_SOCKET": str(database.socket),
            "AGENDA_DATABASE_NAME": "agenda",
            "AGENDA_ALLOWED_HOSTS": "localhost",
            "AGENDA_SPEECH": "local",
            "AGENDA_SPEECH_CACHE": str(folder / "speech"),
            "AGENDA_STATIC_ROOT": str(folder / "static"),
        }

    def manage(self, *words: str) -> str:
        """As the account that may change the schema."""
        environment = {**self.common, "AGENDA_DATABASE_USER": "root"}
        ended = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=APP,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
        )
        return ended.stdout

    def client(self, *words: str) -> list[str]:
        return [
            "mariadb",
            "--no-defaults",
            f"--socket={self.database.socket}",
            "-u",
            "root",
            *words,
        ]

    def sql(self, text: str) -> str:
        ended = subprocess.run(
            self.client("-NB", "agenda"),
            input=text,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
        )
        return ended.stdout

    def prepare(self) -> dict[str, str]:
        """Schema, the REST account with exactly its privileges, and a user with a token."""
        subprocess.run(
            self.client("-e", "CREATE DATABASE agenda COLLATE utf8mb4_unicode_ci"),
            check=True,
            timeout=60,
        )
        self.manage("migrate", "--no-input", "--verbosity=0")
        listed = yaml.safe_load((APP / "api/privileges.yml").read_text("utf-8"))
        grants = [f"CREATE USER {USER}@localhost"] + [
            f"GRANT {privileges} ON agenda.{table} TO {USER}@localhost"
            for table, privileges in listed["rest_privileges"].items()
        ]
        self.sql(";".join(grants))
        return json.loads(self.manage("agenda_probe", "create"))

    @contextmanager
    def serving(self, module: str, **environment: str) -> Iterator[Server]:
        """gunicorn as the unit starts it, but for the number of workers."""
        path = self.folder / f"{module}.sock"
        settings = {
            **self.common,
            **environment,
            "AGENDA_ROLE": "rest",
            "AGENDA_DATABASE_USER": USER,
        }
        command = [sys.executable, "-m", "gunicorn", module, "--bind", f"unix:{path}"]
        command += ["--workers", "1", "--threads", "4", "--worker-class", "gthread"]
        command += ["--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--preload"]  # noqa: S108 - as the unit does
        command += ["--log-level", "warning", "--timeout", "30"]
        process = subprocess.Popen(command, cwd=APP, env=settings)
        try:
            yield Server(process, path)
        finally:
            process.terminate()
            process.wait(timeout=40)


class Server:
    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self.path = path
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"bench: gunicorn did not start ({path})\n  Next: read its log above"
                )
            workers = _children(process.pid)
            if workers and path.exists():
                break
            time.sleep(0.1)
        self.worker = workers[0]

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, bytes]:
        """One request on a connection of its own, as nginx makes them."""
        connection = Unix(self.path)
        try:
            connection.request(method, path, body=body, headers={"Host": "localhost", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """User and system time of the worker since it started."""
        fields = Path(f"/proc/{self.worker}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def memory_mib(self, name: str) -> float:
        """VmRSS (now) or VmHWM (its peak)."""
        lines = Path(f"/proc/{self.worker}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))

    def forget_peak(self) -> None:
        Path(f"/proc/{self.worker}/clear_refs").write_text("5")


class Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=900)
        self.unix_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.unix_path))


def _children(pid: int) -> list[int]:
    text = (
        Path(f"/proc/{pid}/task/{pid}/children").read_text()
        if Path(f"/proc/{pid}").exists()
        else ""
    )
    return [int(child) for child in text.split()]


@contextmanager
def bench() -> Iterator[tuple[Bench, dict[str, Any]]]:
    """The bench and its user's {"username", "token"}; everything is gone afterwards."""
    folder = own_folder()
    database = PrivateMariaDB(folder)
    try:
        database.install()
        database.start()
        ready = Bench(folder, database)
        yield ready, ready.prepare()
    finally:
        database.kill()
        shutil.rmtree(folder, ignore_errors=True)
