"""lxcfs: lets `free`, `nproc` and `uptime` in a container tell the container's own figures."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

from provision.lab.commands import run, succeeds
from provision.lab.settings import Settings

WAIT_S = 5.0


def start(settings: Settings) -> bool:
    """Start an lxcfs of the lab's own, when the program is there; return whether it serves."""
    place = settings.run_folder / "lxcfs"
    if (place / "proc").is_dir():
        return True
    if not shutil.which("lxcfs"):
        return False
    while os.path.ismount(place):  # its process was killed
        run(["umount", "--lazy", place])
    place.mkdir(mode=0o755, parents=True, exist_ok=True)
    pid_file = settings.run_folder / "lxcfs.pid"
    pid_file.unlink(missing_ok=True)
    subprocess.Popen(
        ["lxcfs", "-f", "-p", str(pid_file), str(place)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + WAIT_S
    while not (place / "proc").is_dir():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop(settings: Settings) -> None:
    """End the lab's lxcfs; fine when there is none."""
    place = settings.run_folder / "lxcfs"
    pid_file = settings.run_folder / "lxcfs.pid"
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    if os.path.ismount(place):
        succeeds(["umount", "--lazy", place])
