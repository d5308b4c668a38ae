"""lxcfs: lets `free`, `nproc` and `uptime` in a container tell the container's own figures."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab import hotplug, storage
from lab.lxcconfig import LXCFS_FILES
from lab.settings import Settings

WAIT_S = 5.0


def serves(place: Path) -> bool:
    """Return whether an lxcfs answers at `place`; one that was killed leaves a dead mount."""
    try:
        return (place / "proc").is_dir()
    except OSError:
        return False


def start(settings: Settings) -> bool:
    """Start an lxcfs of the lab's own where the program is there; return whether it was started."""
    place = settings.run_folder / "lxcfs"
    if serves(place) or not shutil.which("lxcfs"):
        return False
    storage.unmount_all(place)
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
    while not serves(place):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def put_in(settings: Settings, pid: int) -> None:
    """Give a running container, whose init is `pid`, the files of a new lxcfs for its dead ones."""
    for name in LXCFS_FILES:
        source = settings.run_folder / "lxcfs" / "proc" / name
        with contextlib.suppress(OSError):
            hotplug.unmount_inside(pid, f"/proc/{name}")
        with contextlib.suppress(OSError):
            hotplug.mount_inside(pid, source, f"/proc/{name}")


def stop(settings: Settings) -> None:
    """End the lab's lxcfs; fine when there is none."""
    place = settings.run_folder / "lxcfs"
    pid_file = settings.run_folder / "lxcfs.pid"
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        # One that was killed leaves its number, which another program may have by now.
        if str(place) in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            os.kill(pid, signal.SIGTERM)
    storage.unmount_all(place)
