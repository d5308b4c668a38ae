"""Kernel limits for each user, and all containers of a lab share one: raised as Proxmox does.

They are this machine's own settings, so the last lab that goes puts back what was there.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.settings import RUN, write_atomically

SYSCTL = Path("/proc/sys")
# Each systemd takes several inotify instances, each unit a keyring.
WANTED = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524_288,
    "kernel/keys/maxkeys": 4000,
    "kernel/keys/maxbytes": 2_000_000,
}


def raise_limits(*, run: Path = RUN, sysctl: Path = SYSCTL) -> None:
    """Raise what is lower than a lab needs, and note what it was."""
    note = run / "limits.json"
    before = json.loads(note.read_text()) if note.exists() else {}
    found = {name: int((sysctl / name).read_text()) for name in WANTED if (sysctl / name).exists()}
    low = {name: value for name, value in found.items() if value < WANTED[name]}
    # Noted first: whoever is killed in between has changed nothing that is not put back.
    write_atomically(note, json.dumps({**low, **before}))
    for name in low:
        (sysctl / name).write_text(str(WANTED[name]))


def put_back(*, run: Path = RUN, sysctl: Path = SYSCTL) -> None:
    """Undo `raise_limits` when no lab is left; a limit that others changed since is theirs."""
    note = run / "limits.json"
    if not note.exists() or any(place.is_dir() for place in run.iterdir()):
        return
    for name, value in json.loads(note.read_text()).items():
        file = sysctl / name
        if int(file.read_text()) == WANTED[name]:
            file.write_text(str(value))
    note.unlink()
