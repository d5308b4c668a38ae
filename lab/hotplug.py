"""Bring a change of configuration into a running container."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lab.commands import run, succeeds
from lab.guest import Guest, Nic
from lab.lxcconfig import bridge_name, limits, port_name
from lab.machine import Machine
from lab.namespaces import CLONE_NEWNS, checked, inside, libc

OPEN_TREE: Final = 428  # the same numbers on every architecture
MOVE_MOUNT: Final = 429
OPEN_TREE_CLONE: Final = 1
MOVE_MOUNT_F_EMPTY_PATH: Final = 4
AT_FDCWD: Final = -100
MNT_DETACH: Final = 2


def change_limits(
    before: Guest, after: Guest, machine: Machine, write: Callable[[str, str], object]
) -> None:
    """Set what differs with `write(file, value)`.

    A memory limit may never be above the limit of memory and swap together: when growing, the
    latter goes first.
    """
    old, new = dict(limits(before, machine)), dict(limits(after, machine))
    changed = [key for key in new if new[key] != old[key]]
    if after.memory_mib > before.memory_mib:
        changed.reverse()
    for key in changed:
        write(key.split(".", 2)[2], new[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """NICs of a running container, whose init is `pid`, on the bridges of `netns`."""

    netns: str
    vmid: int
    pid: int

    def change(self, before: Guest, after: Guest) -> None:
        """Make the container's NICs those of `after`. Raises CommandError."""
        old = {nic.key: nic for nic in before.nics}
        new = {nic.key: nic for nic in after.nics}
        for key in old.keys() - new.keys():
            self.unplug(old[key])
        for key, nic in new.items():
            if key not in old:
                self.plug(nic)
            elif nic != old[key]:
                self._update(old[key], nic)

    def plug(self, nic: Nic) -> None:
        """Add a NIC, anew when a lab that was killed had begun to."""
        self.unplug(nic)
        port = port_name(self.vmid, nic)
        peer = ["peer", "name", nic.name, "address", nic.mac, "netns", str(self.pid)]
        self._outside("link", "add", port, "type", "veth", *peer)
        self._attach(nic)
        self._configure(nic)

    def unplug(self, nic: Nic) -> None:
        """Take a NIC away; fine when it is gone."""
        succeeds(["ip", "-n", self.netns, "link", "delete", port_name(self.vmid, nic)])
        # It may have answered for addresses of the container's other NICs, too.
        succeeds(["ip", "-n", self.netns, "neigh", "flush", "dev", bridge_name(nic)])

    def _update(self, old: Nic, new: Nic) -> None:
        if _hardware(old) != _hardware(new):
            self.unplug(old)
            self.plug(new)
            return
        if bridge_name(old) != bridge_name(new):
            self._attach(new)
        self._inside("address", "flush", "dev", new.name, "scope", "global")
        self._configure(new)

    def _attach(self, nic: Nic) -> None:
        bridge = bridge_name(nic)
        self._outside("link", "set", port_name(self.vmid, nic), "master", bridge, "up")
        self._outside("neigh", "flush", "dev", bridge)

    def _configure(self, nic: Nic) -> None:
        if nic.mtu:
            self._inside("link", "set", nic.name, "mtu", str(nic.mtu))
        self._inside("link", "set", nic.name, "up" if nic.link_up else "down")
        if nic.address:
            self._inside("address", "replace", str(nic.address), "dev", nic.name)
        if nic.gateway and nic.link_up:
            if not nic.address or nic.gateway not in nic.address.network:
                self._inside("route", "replace", str(nic.gateway), "dev", nic.name)
            self._inside("route", "replace", "default", "via", str(nic.gateway), "dev", nic.name)

    def _outside(self, *words: str) -> None:
        run(["ip", "-n", self.netns, *words])

    def _inside(self, *words: str) -> None:
        """Run this machine's `ip` in the container's network: never a program of the container."""
        run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "ip", *words])


def _hardware(nic: Nic) -> Nic:
    """Return what needs a new NIC when it changes: the same NIC without what can be changed."""
    return replace(nic, bridge="", tag=None, address=None, gateway=None, mtu=None, link_up=True)


def mount_inside(pid: int, source: Path, path: str) -> None:
    """Mount `source` of this machine at `path` of the running container.

    A bind mount cannot cross namespaces; a detached copy of the mount can be moved there. The
    path must exist. Raises OSError.
    """
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC
    tree = checked(libc.syscall(OPEN_TREE, AT_FDCWD, str(source).encode(), flags))
    target = path.encode()

    def move() -> None:
        checked(libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))

    try:
        inside(_mounts_of(pid), CLONE_NEWNS, move)
    finally:
        os.close(tree)


def unmount_inside(pid: int, path: str) -> None:
    """Unmount `path` of the running container. Raises OSError."""
    inside(_mounts_of(pid), CLONE_NEWNS, lambda: checked(libc.umount2(path.encode(), MNT_DETACH)))


def _mounts_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/mnt")
