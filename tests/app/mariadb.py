"""A MariaDB of the tests' own: one for each process that asks, in memory, ended by its Popen.

Its folder names this process and holds the server's pid, so that the next run also ends the server
of a run that was killed. Imports nothing of the application.
"""

from __future__ import annotations

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

# Short: a unix socket's path has at most 107 characters.
_MEMORY = Path("/dev/shm")  # noqa: S108 - the folders made here have names of their own
BASE = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
START_LIMIT_S = 60
# Debian keeps servers in a folder that only root's PATH has.
SERVER = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
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

    def __init__(self, folder: Path, *, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.options = options
        self.socket = folder / "s"
        self.temporary = folder / "tmp"
        self.process: subprocess.Popen[bytes] | None = None
        self._as_user = [f"--user={_server_user()}"] if os.geteuid() == 0 else []

    def install(self) -> None:
        data = self.folder / "data"
        for folder in (data, self.temporary):
            folder.mkdir()
        if os.geteuid() == 0:
            for folder in (self.folder, data, self.temporary):
                shutil.chown(folder, _server_user())
        made = subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db", *self._as_user),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_LIMIT_S,
            # A starting server removes its leftovers from /tmp, and takes another's for its own.
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )
        if made.returncode != 0:
            raise RuntimeError(f"mariadb-install-db: {made.stdout[-1000:]}{made.stderr[-1000:]}")

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(SERVER, "--no-defaults", *self._as_user),
                *(f"--datadir={self.folder}/data", f"--socket={self.socket}"),
                f"--tmpdir={self.temporary}",
                *(f"--pid-file={self.folder}/pid", f"--log-error={self.folder}/log"),
                *("--skip-networking", "--skip-log-bin", "--performance-schema=0"),
                *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"),
                *("--innodb-flush-method=nosync", "--innodb-use-native-aio=0"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M"),
                "--max-connections=50",
                *self.options,
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


def own_folder() -> Path:
    _end_leftovers()
    folder = BASE / f"{PREFIX}-{os.geteuid()}-{os.getpid()}-{secrets.token_hex(2)}"
    folder.mkdir(mode=0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
