"""What this machine has: its cgroups, its AppArmor, its processors."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`unified`: cgroup version 2 alone. `swap_limit`: the kernel can limit a container's swap."""

    unified: bool
    apparmor: bool
    cpus: tuple[int, ...]
    swap_limit: bool


def started_at(pid: int) -> float:
    """Return when a process was started, as seconds since 1970. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    since_boot_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot_s


def look(*, cgroups: Path = CGROUPS, apparmor: Path = APPARMOR) -> Machine:
    """Return what this machine has."""
    unified = (cgroups / "cgroup.controllers").exists()
    return Machine(
        unified=unified,
        apparmor=apparmor.exists() and apparmor.read_text().strip() == "Y",
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        swap_limit=unified or (cgroups / "memory" / "memory.memsw.limit_in_bytes").exists(),
    )
