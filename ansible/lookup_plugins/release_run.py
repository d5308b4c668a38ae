"""lookup('release_run'): who runs this ansible-playbook, and which others run on this machine."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: release_run
short_description: Who runs this playbook, for the lock on the hosts
description:
  - A dictionary with by, machine, run, and alive, the names of all playbook runs of this machine.
author: CTLV
"""
PROGRAM = "ansible-playbook"


def runs(proc: Path = Path("/proc")) -> dict[int, str]:
    """Process id -> name of each playbook run of this machine: a number that is used again later
    has another start time.
    """
    boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    found = {}
    for folder in proc.glob("[0-9]*"):
        try:
            if is_playbook((folder / "cmdline").read_bytes().decode(errors="replace")):
                started = (folder / "stat").read_text().rpartition(")")[2].split()[19]
                found[int(folder.name)] = f"{boot}-{folder.name}-{started}"
        except OSError:
            continue
    return found


def is_playbook(command_line: str) -> bool:
    """Itself or through its interpreter; not a shell that was told to run one."""
    return any(Path(word).name == PROGRAM for word in command_line.split("\0")[:2])


def oldest_ancestor(known: dict[int, str], process: int) -> str:
    """The name of the run that `process` belongs to: Ansible works in children of its own."""
    name = known.get(process, "")
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        name = known.get(process, name)
    return name


class LookupModule(LookupBase):
    def run(self, _terms: Any, _variables: Any = None, **_options: Any) -> list[dict[str, Any]]:
        known = runs()
        machine = Path("/etc/machine-id").read_bytes() + socket.gethostname().encode()
        who = os.environ.get("SUDO_USER") or getpass.getuser()
        return [
            {
                "by": f"{who}@{socket.gethostname()}",
                "machine": hashlib.sha256(machine).hexdigest()[:16],
                "run": oldest_ancestor(known, os.getpid()),
                "alive": sorted(known.values()),
            }
        ]
