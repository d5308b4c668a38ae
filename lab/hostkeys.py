"""New SSH host keys for each container, made on this machine as Proxmox does.

RSA takes most of a second: a few keys are made ahead, kept in memory only. ssh-keygen needs files:
they lie in the lab's folder under /run, in memory too, where a killed lab's are found and removed.
"""

from __future__ import annotations

import base64
import hashlib
import queue
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run

TIMEOUT_S = 120.0
KINDS = ("rsa", "ecdsa", "ed25519")
READY = 6


@dataclass(frozen=True, slots=True)
class HostKey:
    """One key: its files' texts, and its fingerprint as `ssh-keygen -l` shows it."""

    kind: str
    private: str
    public: str

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def make(kind: str, comment: str, *, where: Path, niceness: int = 0) -> HostKey:
    """Return a new key; with a niceness of 19 only processors that nobody wants make it."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        file = Path(folder) / "key"
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(file)]
        run(["nice", f"--adjustment={niceness}", *command], timeout_s=TIMEOUT_S)
        return HostKey(kind, file.read_text(), file.with_suffix(".pub").read_text())


class HostKeys:
    """Makes the keys of containers, one RSA key always ahead."""

    def __init__(self, folder: Path, *, ready: int = READY) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._ahead: queue.Queue[HostKey] = queue.Queue(maxsize=ready)
        self._filling = threading.Lock()

    def fill(self) -> None:
        """Make RSA keys ahead, in the background, until there are enough."""
        threading.Thread(target=self._fill, daemon=True).start()

    def _fill(self) -> None:
        """One key after the other, behind everything else: the new containers are booting now."""
        if not self._filling.acquire(blocking=False):
            return
        try:
            while not self._ahead.full():
                self._ahead.put_nowait(make("rsa", "", where=self._folder, niceness=19))
        finally:
            self._filling.release()

    def take(self, hostname: str) -> list[HostKey]:
        """Return a container's keys; each is given once."""
        comment = f"root@{hostname.partition('.')[0]}"
        try:
            rsa = self._ahead.get_nowait()
        except queue.Empty:
            rsa = make("rsa", "", where=self._folder)
        algorithm, key = rsa.public.split()[:2]
        named = HostKey("rsa", rsa.private, f"{algorithm} {key} {comment}\n")
        return [named, *(make(kind, comment, where=self._folder) for kind in KINDS[1:])]
