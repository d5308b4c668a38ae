"""A container as the lab must build it, read from the configuration Proxmox keeps. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fakepve.lxc import parse_mount, parse_size, split_props

GIB = 1024**3
Say = Callable[[str], None]
# Config keys that describe a disk.
DISK_KEY = re.compile(r"rootfs|mp\d+")
DEFAULT_DISK = 4 * GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network interface: `key` is Proxmox's (net0), `name` the container's (eth0)."""

    key: str
    name: str
    mac: str
    bridge: str
    tag: int | None = None
    address: ipaddress.IPv4Interface | None = None
    gateway: ipaddress.IPv4Address | None = None
    mtu: int | None = None
    link_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk: `key` is Proxmox's (rootfs, mp0), `name` its volume's (vm-100-disk-0), `path` where
    the container sees it."""

    key: str
    name: str
    size_bytes: int
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One container. `memory_mib` is what Proxmox calls memory, `cores` None is all of them."""

    vmid: int
    hostname: str
    memory_mib: int = 512
    swap_mib: int = 512
    cores: int | None = None
    cpu_limit: float = 0.0
    cpu_units: int | None = None
    nesting: bool = False
    nameservers: tuple[str, ...] = ()
    search: str = ""
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()

    @property
    def root_disk(self) -> str:
        return next(disk.name for disk in self.disks if disk.key == "rootfs")


class ContainerError(Exception):
    """Something a container should have done failed; `str()` is the reason, for a task's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a running container uses: bytes, and processor seconds since its start."""

    memory_bytes: int = 0
    disk_bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What is only given when a container is created."""

    template: str
    ssh_public_keys: str = ""
    password: str | None = None


def parse_nic(key: str, text: str) -> Nic:
    given = split_props(text)[1]
    static = given.get("ip", "")
    return Nic(
        key=key,
        name=given.get("name", "eth0"),
        mac=given.get("hwaddr", "").lower(),
        bridge=given.get("bridge", ""),
        tag=int(given["tag"]) if given.get("tag") else None,
        address=ipaddress.IPv4Interface(static) if "/" in static else None,
        gateway=ipaddress.IPv4Address(given["gw"]) if given.get("gw") else None,
        mtu=int(given["mtu"]) if given.get("mtu") else None,
        link_up=given.get("link_down") not in ("1", 1),
    )


def parse_disk(key: str, text: str) -> Disk:
    given = parse_mount(text)
    return Disk(
        key=key,
        name=disk_name(given.get("volume", "")),
        size_bytes=parse_size(given.get("size", "")) or DEFAULT_DISK,
        path="/" if key == "rootfs" else given.get("mp", ""),
        read_only=given.get("ro") == "1",
    )


def disk_name(volume: str) -> str:
    """Return the name of a volume: `vm-100-disk-0` of `local:100/vm-100-disk-0.raw`."""
    return PurePosixPath(volume.partition(":")[2] or volume).stem


def volumes(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the disks that a configuration holds, by name, in use or not, with their key."""
    found = {}
    for key, value in config.items():
        if DISK_KEY.fullmatch(key) or re.fullmatch(r"unused\d+", key):
            found[disk_name(parse_mount(value).get("volume", ""))] = key
    return found


def parse_guest(vmid: int, config: Mapping[str, Any]) -> Guest:
    numbered = sorted(config, key=lambda key: (re.sub(r"\d", "", key), len(key), key))
    nics = [parse_nic(key, config[key]) for key in numbered if re.fullmatch(r"net\d+", key)]
    disks = [parse_disk(key, config[key]) for key in numbered if DISK_KEY.fullmatch(key)]
    servers = re.split(r"[\s,;]+", str(config.get("nameserver", "")).strip())
    return Guest(
        vmid=vmid,
        hostname=str(config.get("hostname") or f"CT{vmid}"),
        memory_mib=int(config.get("memory") or 512),
        swap_mib=int(config.get("swap", 512)),
        cores=int(config["cores"]) if config.get("cores") else None,
        cpu_limit=float(config.get("cpulimit") or 0),
        cpu_units=int(config["cpuunits"]) if config.get("cpuunits") else None,
        nesting=split_props(config.get("features", ""))[1].get("nesting") == "1",
        nameservers=tuple(server for server in servers if server),
        search=str(config.get("searchdomain", "")),
        nics=tuple(nics),
        disks=tuple(disks),
    )


def interfaces_file(guest: Guest) -> str:
    """Return /etc/network/interfaces as Proxmox writes it for Debian."""
    stanzas = ["auto lo\niface lo inet loopback\n"]
    for nic in guest.nics:
        if nic.address is None:
            stanzas.append(f"auto {nic.name}\niface {nic.name} inet manual\n")
            continue
        lines = [f"auto {nic.name}", f"iface {nic.name} inet static", f"\taddress {nic.address}"]
        if nic.gateway:
            lines += _gateway_lines(nic, nic.address)
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)


def _gateway_lines(nic: Nic, address: ipaddress.IPv4Interface) -> list[str]:
    if nic.gateway in address.network:
        return [f"\tgateway {nic.gateway}"]
    # As Proxmox: a gateway outside the subnet gets a host route of its own first.
    device = f"dev {nic.name}"
    return [
        f"\tpost-up ip route add {nic.gateway} {device}",
        f"\tpost-up ip route add default via {nic.gateway} {device}",
        f"\tpre-down ip route del default via {nic.gateway} {device}",
        f"\tpre-down ip route del {nic.gateway} {device}",
    ]


def hosts_file(guest: Guest) -> str:
    """Return /etc/hosts; the container's own name leads to its first address."""
    short = guest.hostname.split(".")[0]
    names = f"{guest.hostname} {short}" if short != guest.hostname else short
    if "." not in guest.hostname and guest.search:
        names = f"{guest.hostname}.{guest.search.split()[0]} {guest.hostname}"
    own = next((nic.address.ip for nic in guest.nics if nic.address), "127.0.1.1")
    return (
        "127.0.0.1 localhost\n"
        "::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\n"
        "ff02::2 ip6-allrouters\n"
        "# --- BEGIN PVE ---\n"
        f"{own} {names}\n"
        "# --- END PVE ---\n"
    )


def resolver_file(guest: Guest) -> str:
    """Return /etc/resolv.conf. Without a name server there is none: the lab resolves no names."""
    lines = ["# --- BEGIN PVE ---"]
    if guest.search:
        lines.append(f"search {guest.search}")
    lines += [f"nameserver {server}" for server in guest.nameservers]
    return "\n".join([*lines, "# --- END PVE ---"]) + "\n"
