"""Containers to talk about in tests, and strategies that draw any container there may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fakepve.lxc import normalise, parse_mount
from hypothesis import strategies as st

from lab.pending import print_mount
from provision.desired import Desired
from provision.inventory import Inventory
from provision.model import Container, Disk, Found, Mark, Mount, Nic, Wanted
from provision.wire import GIB, create_params, parse_found, render_size

DEPLOYMENT = "0123456789abcdef"
NETWORKS = {
    "campus": {"tag": 2028, "subnet": "198.18.28.0/24", "gateway": "198.18.28.1"},
    "private": {"tag": 2112, "subnet": "198.18.112.0/24"},
}
COMMON: dict[str, Any] = {
    "ctlv_environment": "lab",
    "ctlv_deployment_id": DEPLOYMENT,
    "lxc_node": "pve1",
    "lxc_pool": "",
    "lxc_template": "debian-13-standard",
    "lxc_template_storage": "local",
    "lxc_storage": "local-lvm",
    "lxc_bridge": "vmbr0",
    "lxc_cores": 1,
    "lxc_memory_mib": 512,
    "lxc_swap_mib": 256,
    "lxc_disk_gib": 4,
    "lxc_unprivileged": True,
    "lxc_features": {"nesting": True},
    "lxc_onboot": True,
    "lxc_startup_order": 2,
    "lxc_protection": False,
    "lxc_tags": [],
    "lxc_wait": "running",
    "lxc_ssh_public_key_file": "id_ed25519.pub",
    "lxc_networks": NETWORKS,
    "lxc_assumed": [],
}
WEB: dict[str, Any] = COMMON | {
    "lxc_vmid": 2156,
    "lxc_nics": [
        {"name": "eth0", "network": "campus", "address": "198.18.28.156/24"},
        {"name": "eth1", "network": "private", "address": "198.18.112.156/24"},
    ],
    "ansible_host": "198.18.28.156",
}
DB: dict[str, Any] = COMMON | {
    "lxc_vmid": 2157,
    "lxc_nics": [{"name": "eth0", "network": "private", "address": "198.18.112.157/24"}],
    "lxc_startup_order": 1,
    "ansible_host": "198.18.112.157",
}


def inventory(*, environment: str = "lab", **hosts: dict[str, Any]) -> Inventory:
    return Inventory(environment=environment, hosts=hosts or {"web": WEB, "db": DB})


def many(count: int, **changes: Any) -> Inventory:
    """`count` containers beside each other on the private network, and one with an uplink."""
    hosts = {
        f"ct{n:03}": COMMON
        | {
            "lxc_vmid": 3000 + n,
            "lxc_nics": [{"name": "eth0", "network": "campus", "address": f"198.18.28.{n + 2}/24"}],
            "ansible_host": f"198.18.28.{n + 2}",
        }
        | changes
        for n in range(count)
    }
    return Inventory(environment="lab", hosts=hosts)


def created(container: Container) -> dict[str, Any]:
    """The configuration that Proxmox writes when it has made the container."""
    config = dict(create_params(container, ostemplate="x", ssh_keys="x"))
    for key in ("vmid", "ostemplate", "ssh-public-keys"):
        del config[key]
    disks = {"rootfs": container.disk, **{mount.key: mount for mount in container.mounts}}
    for number, (key, disk) in enumerate(disks.items()):
        volume = f"{disk.storage}:vm-{container.vmid}-disk-{number}"
        options = parse_mount(f"{volume},{str(config[key]).partition(',')[2]}")
        config[key] = print_mount(options | {"size": render_size(disk.size_bytes)})
    for key in [key for key in config if key.startswith("net")]:
        config[key] = normalise(key, config[key])
    return config


# ---------------------------------------------------------------- strategies

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.integers(2, 254).map(lambda n: f"198.18.28.{n}/24")
MACS = st.integers(0, 2**24 - 1).map(
    lambda n: f"BC:24:11:{n >> 16:02X}:{n >> 8 & 255:02X}:{n & 255:02X}"
)
SIZES = st.integers(128, 2**20).map(lambda mib: mib * 1024**2)
NOTES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=40
).filter(lambda text: text == text.strip() and "```ctlv" not in text)


@st.composite
def nics(draw: st.DrawFn, number: int, *, hwaddr: bool) -> Nic:
    return Nic(
        key=f"net{number}",
        name=f"eth{number}",
        bridge=draw(st.sampled_from(["vmbr0", "vmbr1"])),
        tag=draw(st.integers(1, 4094)),
        ip=draw(st.one_of(st.none(), st.just("dhcp"), ADDRESSES)),
        gateway=draw(st.sampled_from([None, "198.18.28.1"])),
        mtu=draw(st.one_of(st.none(), st.integers(576, 9000))),
        firewall=draw(st.booleans()),
        hwaddr=draw(MACS) if hwaddr else None,
    )


@st.composite
def mounts(draw: st.DrawFn, number: int) -> Mount:
    return Mount(
        key=f"mp{number}",
        path=f"/srv/{number}",
        storage="local-lvm",
        size_bytes=draw(SIZES),
        backup_enabled=draw(st.booleans()),
    )


@st.composite
def containers(draw: st.DrawFn, *, hwaddr: bool = True) -> Container:
    """Any container that the inventory can ask for."""
    host = draw(LABELS)
    return Container(
        vmid=draw(st.integers(100, 9999)),
        node="pve1",
        hostname=host,
        template=draw(st.sampled_from(["debian-12-standard", "debian-13-standard"])),
        unprivileged=True,
        cores=draw(st.integers(1, 64)),
        memory_mib=draw(st.integers(16, 2**20)),
        swap_mib=draw(st.integers(0, 2**20)),
        disk=Disk(storage="local-lvm", size_bytes=draw(SIZES)),
        nics=tuple(draw(nics(n, hwaddr=hwaddr)) for n in range(draw(st.integers(1, 3)))),
        mounts=tuple(draw(mounts(n)) for n in range(draw(st.integers(0, 2)))),
        features=draw(st.sampled_from([(), (("nesting", "1"),)])),
        onboot=draw(st.booleans()),
        startup=draw(st.sampled_from(["", "order=1", "order=20"])),
        protection=draw(st.booleans()),
        tags=tuple(sorted(draw(st.sets(LABELS, max_size=3)))),
        nameserver=draw(st.sampled_from(["", "9.9.9.9", "9.9.9.9 1.1.1.1"])),
        searchdomain=draw(st.sampled_from(["", "example.org"])),
        note=draw(NOTES),
        mark=Mark(deployment=DEPLOYMENT, environment="lab", host=host),
    )


def wanted(container: Container) -> Wanted:
    return Wanted(
        container=container, address="198.18.28.2", jumps=(), wait="running",
        template_storage="local",
    )  # fmt: skip


def desired_of(*wanteds: Wanted) -> Desired:
    return Desired(environment="lab", deployment=DEPLOYMENT, containers=wanteds)


def found_from(container: Container, *, status: str = "running", **changes: Any) -> Found:
    """What the server shows once `container` was created: our own form, allocated and read back."""
    config = dict(create_params(container, ostemplate="local:vztmpl/x", ssh_keys="k"))
    for number, nic in enumerate(container.nics):
        if nic.hwaddr is None:
            config[f"net{number}"] = f"{config[f'net{number}']},hwaddr=BC:24:11:00:00:0{number}"
    for key, size_bytes in [("rootfs", container.disk.size_bytes)] + [
        (mount.key, mount.size_bytes) for mount in container.mounts
    ]:
        storage, _, rest = str(config[key]).partition(":")
        options = rest.partition(",")[2]
        volume = f"{storage}:vm-{container.vmid}-{key},size={size_bytes // 1024**2}M"
        config[key] = f"{volume},{options}" if options else volume
    config["description"] = f"{config['description']}\n"
    config["digest"] = "d1"
    found = parse_found(
        container.vmid, container.node, config=config, pending=[], status={"status": status}
    )
    return replace(found, **changes)


def disk(gib: float, storage: str = "local-lvm") -> Disk:
    return Disk(storage=storage, size_bytes=int(gib * GIB))
