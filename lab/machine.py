"""What this machine has: its cgroups, its AppArmor, its processors."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`unified`: cgroup version 2 alone. `swap_limit`: the kernel can limit a container's swap.

    `apparmor`: the kernel has it on and its parser is installed; lxc only recommends that package,
    and refuses to start a container whose profile it cannot load.
    """

    unified: bool
    apparmor: bool
    cpus: tuple[int, ...]
    swap_limit: bool


def started_at(pid: int) -> float:
    """Return when a process was started, as seconds since 1970. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    since_boot_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot_s


def look(
    *, cgroups: Path = CGROUPS, apparmor: Path = APPARMOR, parser: str = "apparmor_parser"
) -> Machine:
    unified = (cgroups / "cgroup.controllers").exists()
    enabled = apparmor.exists() and apparmor.read_text().strip() == "Y"
    return Machine(
        unified=unified,
        apparmor=enabled and shutil.which(parser) is not None,
        cpus=tuple(sorted(os.sched_getaffinity(0))),
        swap_limit=unified or (cgroups / "memory" / "memory.memsw.limit_in_bytes").exists(),
    )
