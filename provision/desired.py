"""What the inventory wants, checked. Pure: every mistake is found here, at once, before any call.

Much of what is refused here Proxmox accepts silently and breaks later: a gateway outside its
subnet, two interfaces of one name, a host name of 64 characters, a bridge name too long for a tag.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from provision.errors import InventoryError
from provision.inventory import Inventory
from provision.model import Container, Disk, Mark, Mount, Nic, Wait, Wanted
from provision.wire import GIB, parse_tags

# Debian releases that the lab builds and the roles support.
TEMPLATES = ("debian-13-standard", "debian-12-standard")
TEMPLATE_FILE = re.compile(r"debian-1[23]-standard_[\w.-]+_amd64\.tar\.(zst|gz|xz)")
LABEL = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
TAG = re.compile(r"[a-z0-9_][a-z0-9_+.-]*")
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")
INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# IFNAMSIZ - 1; Proxmox also makes a bridge named BRIDGEvTAG (pve-common Network.pm).
INTERFACE_NAME_MAX = 15
VLAN_TAGS = range(2, 4095)
MTUS = range(576, 65536)
SMALLEST_GIB, LARGEST_GIB = 0.125, 2**17
VMIDS = range(100, 1_000_000_000)
MANAGED_TAG = "ctlv"
# A description may have 8192 characters, and ends with our block.
LONGEST_NOTE = 7000
WAITS: Mapping[str, Wait] = {"ssh": "ssh", "running": "running", "none": "none"}

KEYS = frozenset(
    {
        "lxc_api_host", "lxc_api_port", "lxc_api_ca_file", "lxc_assumed", "lxc_bridge", "lxc_cores",
        "lxc_disk_gib", "lxc_features", "lxc_memory_mib", "lxc_mounts", "lxc_nameserver",
        "lxc_networks", "lxc_nics", "lxc_node", "lxc_note", "lxc_onboot", "lxc_protection",
        "lxc_searchdomain", "lxc_ssh_public_key_file", "lxc_startup_order", "lxc_storage",
        "lxc_swap_mib", "lxc_tags", "lxc_template", "lxc_template_storage", "lxc_unprivileged",
        "lxc_vmid", "lxc_wait",
    }
)  # fmt: skip
NIC_KEYS = frozenset({"name", "network", "address", "mtu", "firewall"})
NETWORK_KEYS = frozenset({"tag", "subnet", "gateway"})
MOUNT_KEYS = frozenset({"path", "size_gib", "storage", "backup_enabled"})

# Takes the part of a variable and what is wrong with it.
Wrong = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The whole environment: its containers, ordered by VMID, and what holds for all of them."""

    environment: str
    deployment: str
    containers: tuple[Wanted, ...]
    assumed: tuple[str, ...] = ()
    api_host: str | None = None
    api_port: int = 8006
    api_ca_file: str | None = None
    ssh_public_key_file: str = ""


@dataclass(frozen=True, slots=True)
class Mistake:
    place: str
    host: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.host}: {self.key}: {self.text}"


@dataclass(slots=True)
class Checker:
    """Collects mistakes; every `read_*` returns a usable value even when it found one."""

    inventory: Inventory
    mistakes: list[Mistake] = field(default_factory=list)

    def wrong(self, host: str, key: str, text: str) -> None:
        plain = re.match(r"\w+", key)
        place = self.inventory.place(host, plain[0] if plain else key)
        self.mistakes.append(Mistake(place, host, key, text))

    def at(self, host: str, key: str) -> Wrong:
        """`wrong` for the parts of one variable."""
        return lambda part, text: self.wrong(host, f"{key}.{part}", text)

    def value(self, host: str, key: str, default: Any = None) -> Any:
        """The variable; a mistake when it is missing and has no default, or is a template."""
        variables = self.inventory.hosts[host]
        value = variables.get(key, default)
        if value is None:
            self.wrong(host, key, "is missing")
        elif "{{" in str(value) or "__ansible_vault" in str(value):
            self.wrong(host, key, "must be a literal: provision does not render templates")
            return default
        return value

    def integer(
        self, host: str, key: str, *, low: int, high: int, default: int | None = None
    ) -> int:
        value = self.value(host, key, default)
        if value is None:
            return low
        if type(value) is int and low <= value <= high:
            return value
        self.wrong(host, key, f"{value!r} is not a whole number from {low} to {high}")
        return low

    def boolean(self, host: str, key: str, *, default: bool | None = None) -> bool:
        value = self.value(host, key, default)
        if value is not None and not isinstance(value, bool):
            self.wrong(host, key, f"{value!r} is not true or false")
        return value is True

    def text(
        self,
        host: str,
        key: str,
        *,
        default: str | None = None,
        pattern: re.Pattern[str] | None = None,
    ) -> str:
        value: object = self.value(host, key, default)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.wrong(host, key, f"{value!r} is not a text")
            return ""
        if not is_unicode(value):
            self.wrong(host, key, f"{value!r} holds half a character")
            return ""
        if not value and default is None and pattern is None:
            self.wrong(host, key, "is empty")
        if pattern is not None and not pattern.fullmatch(value):
            self.wrong(host, key, f"{value!r} is not a valid name")
        return value

    def items(self, host: str, key: str, *, known: frozenset[str]) -> list[Mapping[str, Any]]:
        """A list of mappings with known keys only."""
        value = self.value(host, key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong(host, key, f"{value!r} is not a list of mappings")
            return []
        for position, item in enumerate(value):
            for name in sorted(item.keys() - known):
                self.wrong(
                    host, f"{key}[{position}].{name}", f"is not known{suggestion(name, known)}"
                )
        return value


def is_unicode(text: str) -> bool:
    """False for what no encoding can send: JSON may hold a surrogate without its other half."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def suggestion(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def desired(inventory: Inventory) -> Desired:
    """Return what the inventory wants.

    Raises InventoryError with every mistake, a line each: file, host, key, what is wrong with it.
    """
    checker = Checker(inventory)
    read = [read_host(checker, host) for host in inventory.hosts]
    containers = tuple(sorted(read, key=lambda wanted: wanted.vmid))
    check_doubles(checker, containers)
    shared = read_shared(checker)
    if checker.mistakes:
        lines = sorted({str(mistake) for mistake in checker.mistakes})
        count = f"{len(lines)} mistakes" if len(lines) > 1 else "a mistake"
        raise InventoryError(
            f"the inventory of {inventory.environment} has {count}:\n"
            + "\n".join(f"  {x}" for x in lines),
            next_step="correct the lines named above; nothing was called",
        )
    return Desired(environment=inventory.environment, containers=with_jumps(containers), **shared)


# ---------------------------------------------------------------- one container


def read_host(checker: Checker, host: str) -> Wanted:
    check_names(checker, host)
    networks = read_networks(checker, host)
    nics = read_nics(checker, host, networks)
    container = Container(
        vmid=checker.integer(host, "lxc_vmid", low=VMIDS.start, high=VMIDS.stop - 1),
        node=checker.text(host, "lxc_node", pattern=LABEL),
        hostname=host,
        template=read_template(checker, host),
        unprivileged=read_unprivileged(checker, host),
        cores=checker.integer(host, "lxc_cores", low=1, high=8192),
        memory_mib=checker.integer(host, "lxc_memory_mib", low=16, high=2**24),
        swap_mib=checker.integer(host, "lxc_swap_mib", low=0, high=2**24, default=0),
        disk=Disk(
            storage=checker.text(host, "lxc_storage", pattern=IDENTIFIER),
            size_bytes=read_gib(checker, host, "lxc_disk_gib", checker.value(host, "lxc_disk_gib")),
        ),
        nics=nics,
        mounts=read_mounts(checker, host),
        features=read_features(checker, host),
        onboot=checker.boolean(host, "lxc_onboot", default=True),
        startup=read_startup(checker, host),
        protection=checker.boolean(host, "lxc_protection", default=False),
        tags=read_tags(checker, host),
        nameserver=read_addresses(checker, host, "lxc_nameserver"),
        searchdomain=read_domains(checker, host),
        note=read_note(checker, host),
        mark=Mark(
            deployment=str(checker.inventory.hosts[host].get("ctlv_deployment_id", "")),
            environment=checker.inventory.environment,
            host=host,
        ),
    )
    return Wanted(
        container=container,
        address=read_address(checker, host, nics),
        jump=None,
        wait=read_wait(checker, host),
        template_storage=checker.text(
            host, "lxc_template_storage", default="local", pattern=IDENTIFIER
        ),
    )


def check_names(checker: Checker, host: str) -> None:
    if not LABEL.fullmatch(host):
        checker.wrong(host, "name", "is no host name: letters, digits, hyphens, at most 63")
    for key in checker.inventory.hosts[host]:
        if key.startswith("lxc_") and key not in KEYS:
            checker.wrong(host, key, f"is not known{suggestion(key, KEYS)}")


def read_template(checker: Checker, host: str) -> str:
    name = checker.text(host, "lxc_template")
    if name and name not in TEMPLATES and not TEMPLATE_FILE.fullmatch(name):
        checker.wrong(host, "lxc_template", f"unknown template {name!r}: {' or '.join(TEMPLATES)}")
    return name


def read_unprivileged(checker: Checker, host: str) -> bool:
    if not checker.boolean(host, "lxc_unprivileged", default=True):
        checker.wrong(
            host, "lxc_unprivileged", "must be true: privileged containers are not made here"
        )
    return True


def read_gib(checker: Checker, host: str, key: str, value: Any) -> int:
    """Bytes. Proxmox takes a bare number of GiB, halves included."""
    is_number = type(value) in (int, float)
    # Proxmox rounds anything finer, and would differ from the inventory for ever.
    if is_number and SMALLEST_GIB <= value <= LARGEST_GIB and value * 1024 % 1 == 0:
        return int(value * GIB)
    if value is not None:
        checker.wrong(host, key, f"{value!r} is not a number of GiB in whole MiB, from 0.125")
    return GIB


def read_startup(checker: Checker, host: str) -> str:
    order = checker.integer(host, "lxc_startup_order", low=0, high=10_000, default=0)
    return f"order={order}" if order else ""


def read_wait(checker: Checker, host: str) -> Wait:
    value = checker.text(host, "lxc_wait", default="ssh")
    wait = WAITS.get(value)
    if wait is None:
        checker.wrong(host, "lxc_wait", f"{value!r} is not {', '.join(WAITS)}")
    return wait or "ssh"


def read_features(checker: Checker, host: str) -> tuple[tuple[str, str], ...]:
    value = checker.value(host, "lxc_features", {})
    if not isinstance(value, dict) or not all(isinstance(flag, bool) for flag in value.values()):
        checker.wrong(
            host, "lxc_features", f"{value!r} is not a mapping of features to true or false"
        )
        return ()
    for feature in sorted(value.keys() - {"nesting"}):
        checker.wrong(host, "lxc_features", f"{feature!r}: Proxmox lets a token set nesting only")
    return tuple((name, "1") for name in sorted(value) if value[name])


def read_tags(checker: Checker, host: str) -> tuple[str, ...]:
    value = checker.value(host, "lxc_tags", [])
    if not isinstance(value, list):
        checker.wrong(host, "lxc_tags", f"{value!r} is not a list")
        value = []
    for tag in value:
        if not isinstance(tag, str) or not TAG.fullmatch(tag.lower()):
            checker.wrong(host, "lxc_tags", f"{tag!r} is not a tag (a-z 0-9 _ + . -)")
    own = {MANAGED_TAG, environment_tag(checker.inventory.environment)}
    return parse_tags(" ".join({*own, *(str(tag) for tag in value)}))


def environment_tag(environment: str) -> str:
    """The tag by which our containers are found in a list without reading each of them."""
    return f"{MANAGED_TAG}-{environment}".lower()


def read_note(checker: Checker, host: str) -> str:
    note = checker.text(host, "lxc_note", default="").strip()
    if len(note.encode()) > LONGEST_NOTE:
        checker.wrong(host, "lxc_note", f"is longer than {LONGEST_NOTE} bytes")
    if "```ctlv" in note:
        checker.wrong(host, "lxc_note", "must not hold a ```ctlv block: provision writes that")
    return note


def read_addresses(checker: Checker, host: str, key: str) -> str:
    words = re.split(r"[, ]+", checker.text(host, key, default="").strip())
    for word in filter(None, words):
        try:
            ipaddress.ip_address(word)
        except ValueError:
            checker.wrong(host, key, f"{word!r} is not an address")
    return " ".join(filter(None, words))


def read_domains(checker: Checker, host: str) -> str:
    words = re.split(r"[, ]+", checker.text(host, "lxc_searchdomain", default="").strip())
    for word in filter(None, words):
        if not all(LABEL.fullmatch(label) for label in word.split(".")):
            checker.wrong(host, "lxc_searchdomain", f"{word!r} is not a domain")
    return " ".join(filter(None, words))


# ---------------------------------------------------------------- networks and interfaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    tag: int | None
    subnet: ipaddress.IPv4Network | None
    gateway: str | None


def read_networks(checker: Checker, host: str) -> dict[str, Network]:
    value = checker.value(host, "lxc_networks", {})
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        checker.wrong(host, "lxc_networks", f"{value!r} is not a mapping of networks")
        return {}
    networks = {name: read_network(checker, host, name, entry) for name, entry in value.items()}
    for (name, one), (other_name, other) in combinations(networks.items(), 2):
        if one.tag is not None and one.tag == other.tag:
            checker.wrong(
                host, f"lxc_networks.{other_name}.tag", f"{other.tag} is the tag of {name} already"
            )
        if one.subnet and other.subnet and one.subnet.overlaps(other.subnet):
            checker.wrong(
                host,
                f"lxc_networks.{other_name}.subnet",
                f"{other.subnet} overlaps {one.subnet} of {name}",
            )
    return networks


def read_network(checker: Checker, host: str, name: str, entry: Mapping[str, Any]) -> Network:
    wrong = checker.at(host, f"lxc_networks.{name}")

    for key in sorted(entry.keys() - NETWORK_KEYS):
        wrong(key, f"is not known{suggestion(key, NETWORK_KEYS)}")
    return Network(
        tag=read_tag(entry.get("tag"), wrong),
        subnet=(subnet := read_subnet(entry.get("subnet"), wrong)),
        gateway=read_gateway(entry.get("gateway"), subnet, wrong),
    )


def read_tag(tag: Any, wrong: Wrong) -> int | None:
    if tag is None:
        # On a VLAN-aware bridge a port without a tag is a trunk to every VLAN.
        wrong("tag", "is missing: an interface without a VLAN tag is not isolated")
        return None
    if isinstance(tag, bool) or not isinstance(tag, int) or tag not in VLAN_TAGS:
        wrong("tag", f"{tag!r} is not a VLAN tag from {VLAN_TAGS.start} to {VLAN_TAGS.stop - 1}")
        return None
    return tag


def read_subnet(text: Any, wrong: Wrong) -> ipaddress.IPv4Network | None:
    if text is None:
        wrong("subnet", "is missing")
        return None
    if "/" not in str(text):
        wrong("subnet", f"{text!r} lacks its prefix length, such as /24")
        return None
    try:
        return ipaddress.IPv4Network(str(text))
    except ValueError as error:
        wrong("subnet", f"{text!r} is not a network: {error}")
        return None


def read_gateway(text: Any, subnet: ipaddress.IPv4Network | None, wrong: Wrong) -> str | None:
    if text is None:
        return None
    try:
        gateway = ipaddress.IPv4Address(str(text))
    except ValueError:
        wrong("gateway", f"{text!r} is not an address")
        return None
    if subnet is not None and gateway not in subnet:
        wrong("gateway", f"{gateway} is outside {subnet}")
    elif subnet is not None and gateway in (subnet.network_address, subnet.broadcast_address):
        wrong("gateway", f"{gateway} is the network's own or its broadcast address")
    return str(gateway)


def read_nics(checker: Checker, host: str, networks: Mapping[str, Network]) -> tuple[Nic, ...]:
    bridge = checker.text(host, "lxc_bridge", pattern=INTERFACE)
    items = checker.items(host, "lxc_nics", known=NIC_KEYS)
    if not items:
        checker.wrong(host, "lxc_nics", "is missing or empty: a container needs an interface")
    nics = tuple(
        read_nic(item, networks, bridge, checker.at(host, f"lxc_nics[{position}]"))
        for position, item in enumerate(items)
    )
    for name in doubles(nic.name for nic in nics):
        checker.wrong(host, "lxc_nics", f"two interfaces are named {name}")
    if sum(nic.gateway is not None for nic in nics) > 1:
        checker.wrong(
            host, "lxc_nics", "two interfaces have a gateway: one default route a container"
        )
    return nics


def read_nic(
    item: Mapping[str, Any], networks: Mapping[str, Network], bridge: str, wrong: Wrong
) -> Nic:
    name = item.get("name")
    if not is_interface_name(name):
        wrong("name", f"{name!r} is no interface name of at most {INTERFACE_NAME_MAX} characters")
    network = networks.get(str(item.get("network")))
    if network is None:
        known = ", ".join(sorted(networks))
        wrong("network", f"{item.get('network')!r} is not in lxc_networks ({known})")
        network = Network(tag=None, subnet=None, gateway=None)
    elif network.tag and len(f"{bridge}v{network.tag}") > INTERFACE_NAME_MAX:
        wrong("network", f"the bridge {bridge}v{network.tag} would exceed {INTERFACE_NAME_MAX}")
    return Nic(
        name=str(name),
        bridge=bridge,
        tag=network.tag,
        ip=read_interface_address(item.get("address"), network, wrong),
        gateway=network.gateway,
        mtu=read_mtu(item.get("mtu"), wrong),
        firewall=read_flag(item, "firewall", wrong),
    )


def is_interface_name(name: Any) -> bool:
    """The container's loopback interface is its own affair."""
    if not isinstance(name, str) or name == "lo":
        return False
    return INTERFACE.fullmatch(name) is not None and len(name) <= INTERFACE_NAME_MAX


def read_flag(item: Mapping[str, Any], key: str, wrong: Wrong) -> bool:
    """False when it is not said; "yes" and 1 are mistakes, not a silent false."""
    value = item.get(key)
    if value is not None and not isinstance(value, bool):
        wrong(key, f"{value!r} is not true or false")
    return value is True


def read_mtu(mtu: Any, wrong: Wrong) -> int | None:
    if mtu is None or (type(mtu) is int and mtu in MTUS):
        return mtu
    wrong("mtu", f"{mtu!r} is not a number from {MTUS.start} to {MTUS.stop - 1}")
    return None


def read_interface_address(text: Any, network: Network, wrong: Wrong) -> str | None:
    try:
        interface = ipaddress.IPv4Interface(str(text))
    except ValueError:
        wrong("address", f"{text!r} is not an address with a prefix, such as 192.0.2.10/24")
        return None
    subnet = network.subnet
    if "/" not in str(text):
        wrong("address", f"{text} lacks its prefix length, such as /24")
    elif subnet is not None and interface.ip not in subnet:
        wrong("address", f"{interface} is outside its network {subnet}")
    elif subnet is not None and interface.network != subnet:
        wrong("address", f"{interface} has another prefix than its network {subnet}")
    elif subnet is not None and interface.ip in (subnet.network_address, subnet.broadcast_address):
        wrong("address", f"{interface.ip} is the network's own or its broadcast address")
    elif str(interface.ip) == network.gateway:
        wrong("address", f"{interface.ip} is the gateway's")
    return str(interface)


def read_address(checker: Checker, host: str, nics: tuple[Nic, ...]) -> str:
    address = checker.text(host, "ansible_host")
    own = [nic.ip.partition("/")[0] for nic in nics if nic.ip]
    if address and address not in own:
        shown = address if address.isprintable() else repr(address)
        checker.wrong(host, "ansible_host", f"{shown} is none of its interfaces ({', '.join(own)})")
    return address


def read_mounts(checker: Checker, host: str) -> tuple[Mount, ...]:
    items = checker.items(host, "lxc_mounts", known=MOUNT_KEYS)
    mounts = tuple(
        read_mount(checker, host, f"lxc_mounts[{position}]", item)
        for position, item in enumerate(items)
    )
    for path in doubles(mount.path for mount in mounts):
        checker.wrong(host, "lxc_mounts", f"two volumes are mounted on {path}")
    return mounts


def read_mount(checker: Checker, host: str, key: str, item: Mapping[str, Any]) -> Mount:
    wrong = checker.at(host, key)
    path = str(item.get("path", ""))
    # Proxmox refuses "." and ".." as parts of it.
    if not re.fullmatch(r"(/[\w.-]+)+", path) or ".." in path or "." in path.split("/"):
        wrong("path", f"{path!r} is not a plain absolute path below /")
    storage = item.get("storage")
    if storage is None:
        storage = checker.inventory.hosts[host].get("lxc_storage", "")
    if not isinstance(storage, str) or not IDENTIFIER.fullmatch(storage):
        wrong("storage", f"{storage!r} is not a valid name")
    if item.get("size_gib") is None:
        wrong("size_gib", "is missing")
    return Mount(
        path=path,
        storage=str(storage),
        size_bytes=read_gib(checker, host, f"{key}.size_gib", item.get("size_gib")),
        backup_enabled=read_flag(item, "backup_enabled", wrong),
    )


# ---------------------------------------------------------------- all containers together


def doubles(values: Iterable[Any]) -> list[Any]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


def check_doubles(checker: Checker, containers: tuple[Wanted, ...]) -> None:
    for name in doubles(w.host.lower() for w in containers):
        hosts = [w.host for w in containers if w.host.lower() == name]
        for host in hosts:
            checker.wrong(host, "name", f"is one name to DNS and SSH: {' and '.join(hosts)}")
    # One that was refused has been replaced by the lowest.
    written = [w for w in containers if checker.inventory.hosts[w.host].get("lxc_vmid") == w.vmid]
    for vmid in doubles(w.vmid for w in written):
        hosts = [w.host for w in written if w.vmid == vmid]
        for host in hosts:
            checker.wrong(host, "lxc_vmid", f"{vmid} is used twice: {' and '.join(hosts)}")
    used = [
        (w.host, nic.ip.partition("/")[0]) for w in containers for nic in w.container.nics if nic.ip
    ]
    for address in doubles(address for _, address in used):
        hosts = [host for host, other in used if other == address]
        for host in hosts:
            checker.wrong(host, "lxc_nics", f"{address} is used twice: {' and '.join(hosts)}")


def read_shared(checker: Checker) -> dict[str, Any]:
    """What is written once for the environment; a mistake when two hosts disagree."""
    hosts = checker.inventory.hosts
    first = min(hosts)
    for key in ("ctlv_environment", "ctlv_deployment_id", "lxc_api_host", "lxc_api_port",
                "lxc_api_ca_file", "lxc_ssh_public_key_file", "lxc_assumed"):  # fmt: skip
        for host in sorted(hosts):
            if hosts[host].get(key) != hosts[first].get(key):
                checker.wrong(
                    host, key, f"differs from {first}'s: it holds for the whole environment"
                )
    if checker.text(first, "ctlv_environment") not in ("", checker.inventory.environment):
        checker.wrong(
            first, "ctlv_environment", f"is not {checker.inventory.environment!r}, its folder"
        )
    return {
        "deployment": read_deployment(checker, first),
        "assumed": read_assumed(checker, first),
        "api_host": checker.text(first, "lxc_api_host", default="") or None,
        "api_port": checker.integer(first, "lxc_api_port", low=1, high=65535, default=8006),
        "api_ca_file": checker.text(first, "lxc_api_ca_file", default="") or None,
        "ssh_public_key_file": checker.text(first, "lxc_ssh_public_key_file"),
    }


def read_deployment(checker: Checker, host: str) -> str:
    deployment = checker.text(host, "ctlv_deployment_id")
    if deployment and not re.fullmatch(r"[0-9a-f]{8,64}", deployment):
        checker.wrong(
            host, "ctlv_deployment_id", f"{deployment!r} is not 8 to 64 hexadecimal digits"
        )
    return deployment


def read_assumed(checker: Checker, host: str) -> tuple[str, ...]:
    value = checker.inventory.hosts[host].get("lxc_assumed")
    if value is None:
        # Each line removed as it was confirmed: what is left is the key alone.
        return ()
    if not isinstance(value, list):
        checker.wrong(host, "lxc_assumed", f"{value!r} is not a list; when all is checked: []")
        return ()
    return tuple(str(entry) for entry in value)


def with_jumps(containers: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """Give each container without an uplink the neighbour through which SSH reaches it.

    A container whose address lies in a network with a gateway is reached directly; any other one
    through the first such container that has an interface with the same tag.
    """

    def nic_of(wanted: Wanted) -> Nic:
        return next(
            n for n in wanted.container.nics if n.ip and n.ip.startswith(f"{wanted.address}/")
        )

    direct = [wanted for wanted in containers if nic_of(wanted).gateway]

    def jump_for(wanted: Wanted) -> str | None:
        if wanted in direct:
            return None
        tag = nic_of(wanted).tag
        near = (d.host for d in direct if any(nic.tag == tag for nic in d.container.nics))
        return next(near, None)

    return tuple(replace(wanted, jump=jump_for(wanted)) for wanted in containers)
