"""A MariaDB of the tests' own: one for each process that asks, in memory, ended by its Popen.

This process holds a lock on its folder, and the folder holds the server's pid, so that the next run
also ends the server of a run that was killed. Imports nothing of the application.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
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


def _hold(folder: Path) -> int | None:
    """Lock `folder` as long as this process lives; None when another's lock is on it, or its owner
    removed it just now.

    Whoever lives is known by the lock and not by a pid: another container has pids of its own.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _end_leftovers() -> None:
    """End servers whose pytest is gone, and remove their folders."""
    for folder in BASE.glob(f"{PREFIX}-{os.geteuid()}-*/"):
        if (held := _hold(folder)) is None:
            continue
        pid_file = folder / "pid"
        if pid_file.exists() and (pid := pid_file.read_text().strip()).isdigit():
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(folder).encode() in command.read_bytes():
                os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


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


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: a folder that was just made is not locked yet."""
    with (BASE / f"{PREFIX}-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def own_folder() -> Path:
    """Make the folder of this process's servers; it goes with the process."""
    with _alone():
        _end_leftovers()
        folder = BASE / f"{PREFIX}-{os.geteuid()}-{os.getpid()}-{secrets.token_hex(2)}"
        folder.mkdir(mode=0o755)
        # Never closed: the kernel does it when the process ends.
        _hold(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
