"""The agenda served for browsers and benches: gunicorn with the deployed unit's figures, a MariaDB
of its own, nothing of any lab. By hand: `python -m tests.app.served` prints an address and stays.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import yaml

from tests.app.mariadb import PrivateMariaDB, own_folder

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
ROLE = ROOT / "ansible/roles/agenda/defaults/main.yml"
READY_LIMIT_S = 30
STOP_LIMIT_S = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServedAgenda:
    """`start`, use `address`, `stop`. `environment` adds to the settings, or replaces some."""

    def __init__(
        self,
        *,
        environment: dict[str, str] | None = None,
        port: int = 0,
        database_options: tuple[str, ...] = (),
    ) -> None:
        self.folder = own_folder()
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.database = PrivateMariaDB(self.folder, options=database_options)
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {**os.environ, **self._settings(), **(environment or {})}

    def _settings(self) -> dict[str, str]:
        for secret in ("secret_key", "token_key"):
            (self.folder / secret).write_text(secrets.token_urlsafe(60), "utf-8")
        (self.folder / "speech").mkdir()
        return {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": f"{APP}:{ROOT}",
            "AGENDA_SECRET_KEY_FILE": str(self.folder / "secret_key"),
            "AGENDA_DATABASE_SOCKET": str(self.folder / "s"),
            "AGENDA_DATABASE_USER": "root",
            "AGENDA_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "AGENDA_SITE": self.address,
            "AGENDA_SIGNUP": "open",
            "AGENDA_TOKEN_KEY_FILE": str(self.folder / "token_key"),
            "AGENDA_API_PLAIN_HTTP": "1",
            "AGENDA_SPEECH": "local",
            "AGENDA_SPEECH_CACHE": str(self.folder / "speech"),
            "AGENDA_STATIC_ROOT": str(self.folder / "static"),
        }

    def start(self) -> None:
        self.database.install()
        self.database.start()
        self.sql(
            "CREATE DATABASE agenda CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", database=""
        )
        self.run(APP / "compile_messages.py")
        self.manage("migrate", "--verbosity=0")
        self.manage("collectstatic", "--no-input", "--verbosity=0")
        self.serve()

    def serve(self) -> None:
        figures = yaml.safe_load(ROLE.read_text("utf-8"))
        with (self.folder / "gunicorn.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "tests.app.wsgi"),
                    *("--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"),
                    *("--workers", str(figures["agenda_workers"])),
                    *("--threads", str(figures["agenda_threads"])),
                    *("--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - as the deployed unit
                    *("--no-control-socket", "--preload", "--timeout", "30"),
                    *("--limit-request-line", "8190"),
                ],
                cwd=APP,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        limit = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < limit and self.process and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/healthz", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the agenda did not start: {self.log()[-2000:]}")

    def log(self) -> str:
        return (self.folder / "gunicorn.log").read_text("utf-8", errors="replace")

    def stop_serving(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=STOP_LIMIT_S)
            self.process = None

    def stop(self) -> None:
        self.stop_serving()
        self.database.kill()

    def run(self, program: Path, *arguments: str) -> str:
        """One of the application's programs, in its environment; returns what it printed."""
        ended = subprocess.run(
            [sys.executable, str(program), *arguments],
            cwd=APP,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{program.name} {' '.join(arguments)}: {ended.stderr[-2000:]}")
        return ended.stdout

    def manage(self, *arguments: str) -> str:
        return self.run(APP / "manage.py", *arguments)

    def sql(self, statements: str, *, database: str = "agenda") -> str:
        """Run `statements` with the mariadb client; returns its rows, tab-separated."""
        return subprocess.run(
            [
                *("mariadb", "--no-defaults", "-uroot", f"--socket={self.database.socket}"),
                *("--batch", "--skip-column-names", *([database] if database else [])),
            ],
            input=statements,
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        ).stdout


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    agenda = ServedAgenda(port=port)
    try:
        agenda.start()
        print(agenda.manage("agenda_demo"), end="")
        print(f"{agenda.address}/agenda until Ctrl-C; its folder is {agenda.folder}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        agenda.stop()


if __name__ == "__main__":
    main()
