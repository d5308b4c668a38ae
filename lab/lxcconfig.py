"""LXC's configuration of one container. Pure."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.guest import Guest, Nic
from lab.machine import Machine

MIB = 1024**2
# systemd needs these kept away; userns.conf clears the list, and the boot ends degraded without.
DROPPED = "mac_admin mac_override sys_time sys_module sys_rawio"
LXCFS_FILES = ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    lab: str
    netns: str
    id_base: int
    rootfs: Path
    disks: Path
    attach_nic: Path
    lxcfs: Path | None = None


def render(guest: Guest, machine: Machine, around: Surroundings) -> str:
    profile = "generated" if machine.apparmor else "unconfined"
    lines = [
        "lxc.include = /usr/share/lxc/config/common.conf",
        "lxc.include = /usr/share/lxc/config/userns.conf",
        f"lxc.idmap = u 0 {around.id_base} 65536",
        f"lxc.idmap = g 0 {around.id_base} 65536",
        f"lxc.cap.drop = {DROPPED}",
        f"lxc.apparmor.profile = {profile}",
        *(["lxc.apparmor.allow_nesting = 1"] if machine.apparmor and guest.nesting else []),
        f"lxc.uts.name = {guest.hostname}",
        f"lxc.rootfs.path = dir:{around.rootfs}",
        "lxc.start.auto = 0",
        # Of common.conf.d: a mount hook for a machine-wide lxcfs. The lab has one of its own.
        "lxc.hook.mount =",
        *_lxcfs_lines(around.lxcfs),
        *(f"{key} = {value}" for key, value in limits(guest, machine)),
        *_disk_lines(guest, around),
        *_nic_lines(guest, around),
    ]
    return "\n".join(lines) + "\n"


def _lxcfs_lines(lxcfs: Path | None) -> Iterable[str]:
    if lxcfs is None:
        return
    for name in LXCFS_FILES:
        where = f"{lxcfs}/proc/{name} proc/{name}"
        yield f"lxc.mount.entry = {where} none bind,create=file,optional 0 0"
    yield (
        f"lxc.mount.entry = {lxcfs}/sys/devices/system/cpu sys/devices/system/cpu"
        " none bind,optional 0 0"
    )


def limits(guest: Guest, machine: Machine) -> list[tuple[str, str]]:
    """Return the cgroup settings of a container, by the keys LXC has for them, in safe order."""
    return _limits_v2(guest, machine) if machine.unified else _limits_v1(guest, machine)


def _limits_v1(guest: Guest, machine: Machine) -> list[tuple[str, str]]:
    memory = guest.memory_mib * MIB
    found = [("lxc.cgroup.memory.limit_in_bytes", str(memory))]
    if machine.swap_limit:
        total = memory + guest.swap_mib * MIB
        found.append(("lxc.cgroup.memory.memsw.limit_in_bytes", str(total)))
    quota = int(guest.cpu_limit * 100_000) or -1
    found += [
        ("lxc.cgroup.cpuset.cpus", cpu_set(guest, machine)),
        ("lxc.cgroup.cpu.cfs_quota_us", str(quota)),
        ("lxc.cgroup.cpu.shares", str(guest.cpu_units or 1024)),
    ]
    return found


def _limits_v2(guest: Guest, machine: Machine) -> list[tuple[str, str]]:
    quota = str(int(guest.cpu_limit * 100_000)) if guest.cpu_limit else "max"
    return [
        ("lxc.cgroup2.memory.max", str(guest.memory_mib * MIB)),
        ("lxc.cgroup2.memory.swap.max", str(guest.swap_mib * MIB)),
        ("lxc.cgroup2.cpuset.cpus", cpu_set(guest, machine)),
        ("lxc.cgroup2.cpu.max", f"{quota} 100000"),
        ("lxc.cgroup2.cpu.weight", str(guest.cpu_units or 100)),
    ]


def cpu_set(guest: Guest, machine: Machine) -> str:
    """Return the processors of a container: as many as it may use, spread by its VMID."""
    count = guest.cores or len(machine.cpus)
    start = guest.vmid % len(machine.cpus)
    turned = machine.cpus[start:] + machine.cpus[:start]
    return ",".join(str(cpu) for cpu in sorted(turned[:count]))


def _disk_lines(guest: Guest, around: Surroundings) -> Iterable[str]:
    for disk in guest.disks:
        if disk.key != "rootfs":
            options = "bind,create=dir" + (",ro" if disk.read_only else "")
            place = disk.path.lstrip("/")
            yield f"lxc.mount.entry = {around.disks / disk.name} {place} none {options} 0 0"


def _nic_lines(guest: Guest, around: Surroundings) -> Iterable[str]:
    for number, nic in enumerate(guest.nics):
        prefix = f"lxc.net.{number}"
        port = port_name(guest.vmid, nic)
        # No lxc.net.N.link: the bridge is in another namespace, where the script takes the NIC.
        script = [str(around.attach_nic), around.netns, bridge_name(nic), port]
        yield f"{prefix}.type = veth"
        yield f"{prefix}.name = {nic.name}"
        yield f"{prefix}.hwaddr = {nic.mac}"
        yield f"{prefix}.veth.pair = {host_link(around.lab, port)}"
        yield f"{prefix}.script.up = {shlex.join(script)}"
        if nic.mtu:
            yield f"{prefix}.mtu = {nic.mtu}"
        if nic.link_up:
            yield f"{prefix}.flags = up"


def bridge_name(nic: Nic) -> str:
    """Return the bridge of a NIC: one for each VLAN tag, as Proxmox names them."""
    return f"{nic.bridge}v{nic.tag}" if nic.tag else nic.bridge


def port_name(vmid: int, nic: Nic) -> str:
    """Return the NIC's name on the bridge, as Proxmox names it."""
    return f"veth{vmid}i{nic.key.removeprefix('net')}"


def host_link(lab: str, port: str) -> str:
    """Return a name for the instant in which the NIC is among this machine's own interfaces.

    Another lab may start a container with the same VMID in that instant.
    """
    return "lab" + hashlib.sha256(f"{lab}/{port}".encode()).hexdigest()[:10]
