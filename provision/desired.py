"""What the inventory wants, as declarations. Every mistake is found here, at once, before any call.

Pure. Much of what is refused here Proxmox accepts silently and breaks later: a gateway outside its
subnet, two interfaces of one name, a host name of 64 characters, a bridge name too long for a tag.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address
from itertools import combinations
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from provision.errors import OperatorError
from provision.inventory import Inventory
from provision.model import Container, Disk, Mark, Mount, Nic, Wait, Wanted
from provision.wire import GIB, parse_tags, parse_words

LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# Of a resource pool, which may lie in others; empty: none (AccessControl.pm, verify_poolname).
POOL = r"([A-Za-z][A-Za-z0-9_.-]*(/[A-Za-z][A-Za-z0-9_.-]*){0,2})?"
# [user@]name[:port], as ssh's ProxyJump takes it; one, not a chain.
JUMP = rf"(([a-z_][a-z0-9_.-]*@)?{LABEL}(\.{LABEL})*(:[1-9]\d{{0,4}})?)?"
# IFNAMSIZ - 1; Proxmox also makes a bridge named BRIDGEvTAG (pve-common Network.pm).
INTERFACE_NAME_MAX = 15
SMALLEST_GIB, LARGEST_GIB = 0.125, 2**17
MANAGED_TAG = "ctlv"
# Their containers do the same: they lie apart, so that one lost node takes one of them.
SERVICES = ("edge", "web", "rest", "database")
# A description may have 8192 characters, and ends with our block.
LONGEST_NOTE = 7000


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The whole environment: its containers, ordered by VMID, and what holds for all of them."""

    environment: str
    deployment: str
    containers: tuple[Wanted, ...]
    # Of each service that several containers may do, their host names (placement.py).
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    assumed: tuple[str, ...] = ()
    # The resource pool that containers are created in; empty: none, rights are on /vms.
    pool: str = ""
    api_host: str | None = None
    api_port: int = 8006
    api_ca_file: str | None = None
    ssh_public_key_file: str = ""
    # A bastion, [user@]name[:port], through which SSH reaches every container; empty: none.
    ssh_jump: str = ""


# ---------------------------------------------------------------- kinds of values


def rule(is_kept: Callable[[Any], object], text: str) -> PlainValidator:
    """The value as it is; `text` says what is wrong with one that does not keep the rule."""

    def check(value: Any) -> Any:
        if not is_kept(value):
            raise ValueError(f"{value!r} {text}")
        return value

    return PlainValidator(check)


def whole(lowest: int, highest: int, what: str = "a whole number") -> PlainValidator:
    return rule(
        lambda value: type(value) is int and lowest <= value <= highest,
        f"is not {what} from {lowest} to {highest}",
    )


def like(pattern: str, text: str = "is not a valid name") -> PlainValidator:
    matches = re.compile(pattern).fullmatch
    return rule(lambda value: isinstance(value, str) and matches(value), text)


def is_size(value: Any) -> bool:
    """Proxmox rounds anything finer than a MiB, and would differ from the inventory for ever."""
    is_number = type(value) in (int, float) and SMALLEST_GIB <= value <= LARGEST_GIB
    return is_number and value * 1024 % 1 == 0


def parsed(kind: Callable[[str], Any], text: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if kind is not IPv4Address and "/" not in str(value):
            raise ValueError(f"{value!r} lacks its prefix length, such as /24")
        try:
            return kind(str(value))
        except ValueError as error:
            raise ValueError(f"{value!r} {text}: {error}") from error

    return BeforeValidator(read)


def check_addresses(text: str) -> str:
    for word in parse_words(text).split():
        ip_address(word)
    return parse_words(text)


def check_domains(text: str) -> str:
    wrong = [x for x in parse_words(text).split() if not re.fullmatch(rf"{LABEL}(\.{LABEL})*", x)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a domain")
    return parse_words(text)


def check_note(note: str) -> str:
    if len(note.encode()) > LONGEST_NOTE:
        raise ValueError(f"is longer than {LONGEST_NOTE} bytes")
    if "```ctlv" in note:
        raise ValueError("must not hold a ```ctlv block: provision writes that")
    return note.strip()


def check_inside(ip: IPv4Address, subnet: IPv4Network) -> None:
    if ip not in subnet:
        raise ValueError(f"{ip} is outside {subnet}")
    if ip in (subnet.network_address, subnet.broadcast_address):
        raise ValueError(f"{ip} is the network's own or its broadcast address")


Text = Annotated[str, Field(min_length=1)]
Storage = Annotated[str, like(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")]
Gib = Annotated[
    float, rule(is_size, f"is not a number of GiB in whole MiB, from {SMALLEST_GIB} on")
]


# ---------------------------------------------------------------- the variables


class Strict(BaseModel):
    """Refuses unknown keys, and never turns "no" into False."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Part(Strict):
    """An entry of a variable: a key without a value is one that is not there."""

    @model_validator(mode="before")
    @classmethod
    def leave_out_nulls(cls, entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        return {key: value for key, value in entry.items() if value is not None}


class Network(Part):
    # On a VLAN-aware bridge a port without a tag is a trunk to every VLAN.
    tag: Annotated[int, whole(2, 4094, "a VLAN tag")]
    subnet: Annotated[IPv4Network, parsed(IPv4Network, "is not a network")]
    gateway: Annotated[IPv4Address, parsed(IPv4Address, "is not an address")] | None = None

    @field_validator("gateway")
    @classmethod
    def is_inside(cls, gateway: IPv4Address, info: ValidationInfo) -> IPv4Address:
        if "subnet" in info.data:
            check_inside(gateway, info.data["subnet"])
        return gateway


class Interface(Part):
    # The container's loopback interface is its own affair.
    name: Annotated[
        str,
        like(
            rf"(?!lo$)[A-Za-z][A-Za-z0-9_.-]{{0,{INTERFACE_NAME_MAX - 1}}}",
            f"is no interface name of at most {INTERFACE_NAME_MAX} characters",
        ),
    ]
    network: Network | None
    address: Annotated[
        IPv4Interface,
        parsed(IPv4Interface, "is not an address with a prefix, such as 192.0.2.10/24"),
    ]
    mtu: Annotated[int, whole(576, 65535, "a number")] | None = None
    firewall: bool = False

    @field_validator("network", mode="plain")
    @classmethod
    def find(cls, name: Any, info: ValidationInfo) -> Network | None:
        """By its name; None when it is refused itself, which is said at its own place."""
        variables: Mapping[str, Any] = info.context or {}
        networks = variables.get("lxc_networks")
        known = networks if isinstance(networks, dict) else {}
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"{name!r} is not in lxc_networks ({', '.join(sorted(known))})")
        try:
            network = Network.model_validate(known[name])
        except ValidationError:
            return None
        bridge = f"{variables.get('lxc_bridge')}v{network.tag}"
        if len(bridge) > INTERFACE_NAME_MAX:
            raise ValueError(f"the bridge {bridge} would exceed {INTERFACE_NAME_MAX} characters")
        return network

    @field_validator("address")
    @classmethod
    def is_inside(cls, address: IPv4Interface, info: ValidationInfo) -> IPv4Interface:
        network: Network | None = info.data.get("network")
        if network is None:
            return address
        if address.ip in network.subnet and address.network != network.subnet:
            raise ValueError(f"{address} has another prefix than its network {network.subnet}")
        check_inside(address.ip, network.subnet)
        if address.ip == network.gateway:
            raise ValueError(f"{address.ip} is the gateway's")
        return address


class Volume(Part):
    # Proxmox refuses "." and ".." as parts of it.
    path: Annotated[
        str, like(r"(?!.*\.\.)(/(?!\.(/|$))[\w.-]+)+", "is not a plain absolute path below /")
    ]
    size_gib: Gib
    storage: Storage | None = None
    backup_enabled: bool = False


class Features(Strict):
    nesting: bool = False


class Host(Strict):
    """The variables of one container, by the names that they have in the inventory."""

    ansible_host: Text
    ctlv_deployment_id: Annotated[str, like(r"[0-9a-f]{8,64}", "is not 8 to 64 hexadecimal digits")]
    ctlv_environment: Text
    lxc_api_ca_file: str = ""
    lxc_api_host: str = ""
    lxc_api_port: Annotated[int, whole(1, 65535)] = 8006
    lxc_assumed: list[Any] | None = None
    lxc_bridge: Annotated[str, like(r"[A-Za-z][A-Za-z0-9_.-]*")]
    lxc_cores: Annotated[int, whole(1, 8192)]
    lxc_disk_gib: Gib
    lxc_features: Features = Features()
    lxc_ha: bool | None = None
    lxc_memory_mib: Annotated[int, whole(16, 2**24)]
    lxc_mounts: list[Volume] = []
    lxc_nameserver: Annotated[str, AfterValidator(check_addresses)] = ""
    lxc_networks: dict[str, Network] = {}
    lxc_nics: Annotated[list[Interface], Field(min_length=1)]
    lxc_node: Annotated[str, like(LABEL)]
    lxc_note: Annotated[str, AfterValidator(check_note)] = ""
    lxc_onboot: bool = True
    lxc_pool: Annotated[str, like(POOL)] = "ctlv"
    lxc_protection: bool = False
    lxc_searchdomain: Annotated[str, AfterValidator(check_domains)] = ""
    lxc_ssh_jump: Annotated[str, like(JUMP, "is no [user@]name[:port]")] = ""
    lxc_ssh_public_key_file: Text
    # A bridge of the nodes' own lies in this one; a vnet in the zone that it was made in.
    lxc_sdn_zone: Annotated[str, like(r"[A-Za-z][A-Za-z0-9]*")] = "localnetwork"
    lxc_startup_order: Annotated[int, whole(0, 10_000)] = 0
    lxc_storage: Storage
    lxc_swap_mib: Annotated[int, whole(0, 2**24)] = 0
    lxc_tags: list[Annotated[str, like(r"(?a)\w[\w+.-]*", "is not a tag (a-z 0-9 _ + . -)")]] = []
    # Debian releases that the lab builds and the roles support.
    lxc_template: Annotated[
        str,
        like(
            r"debian-1[23]-standard(_[\w.-]+_amd64\.tar\.(zst|gz|xz))?",
            "is no template: debian-13-standard, debian-12-standard or the name of such a file",
        ),
    ]
    lxc_template_storage: Storage = "local"
    lxc_unprivileged: Annotated[
        bool,
        rule(lambda value: value is True, "must be true: privileged containers are not made here"),
    ] = True
    lxc_vmid: Annotated[int, whole(100, 999_999_999)]
    lxc_wait: Wait = "ssh"
    # No field of a container: whom its figures are for.
    metrics_scrapers: list[Annotated[IPv4Address, parsed(IPv4Address, "is not an address")]] = []

    @field_validator("*", mode="before")
    @classmethod
    def is_literal(cls, value: Any, info: ValidationInfo) -> Any:
        # Each guess removed as it was confirmed: what is left is the key alone.
        if value is None and info.field_name != "lxc_assumed":
            raise ValueError("is missing")
        text = str(value)
        if HALF_CHARACTER.search(text):
            raise ValueError(f"{value!r} holds half a character")
        if "{{" in text or "__ansible_vault" in text:
            raise ValueError("must be a literal: provision does not render templates")
        return value

    @field_validator("ansible_host")
    @classmethod
    def is_its_own(cls, address: str, info: ValidationInfo) -> str:
        own = addresses(info.context or {})
        if address not in own:
            shown = address if address.isprintable() else repr(address)
            raise ValueError(f"{shown} is none of its interfaces ({', '.join(own)})")
        return address

    @field_validator("lxc_networks")
    @classmethod
    def are_apart(cls, networks: dict[str, Network]) -> dict[str, Network]:
        wrong: list[InitErrorDetails] = []

        def refuse(name: str, key: str, text: str) -> None:
            kind = PydanticCustomError("value_error", "{error}", {"error": text})
            wrong.append(InitErrorDetails(type=kind, loc=(name, key), input=None))

        for (name, one), (other_name, other) in combinations(networks.items(), 2):
            if one.tag == other.tag:
                refuse(other_name, "tag", f"{other.tag} is the tag of {name} already")
            if one.subnet.overlaps(other.subnet):
                refuse(other_name, "subnet", f"{other.subnet} overlaps {one.subnet} of {name}")
        if wrong:
            raise ValidationError.from_exception_data("networks", wrong)
        return networks

    @field_validator("metrics_scrapers")
    @classmethod
    def are_private(cls, scrapers: list[IPv4Address], info: ValidationInfo) -> list[IPv4Address]:
        """Nothing of 2112 answers anybody elsewhere."""
        networks: dict[str, Network] = info.data.get("lxc_networks", {})
        for ip in scrapers if "private" in networks else []:
            check_inside(ip, networks["private"].subnet)
        return scrapers

    @field_validator("lxc_nics")
    @classmethod
    def fit_together(cls, nics: list[Interface]) -> list[Interface]:
        for name in doubles(nic.name for nic in nics):
            raise ValueError(f"two interfaces are named {name}")
        if sum(nic.network is not None and nic.network.gateway is not None for nic in nics) > 1:
            raise ValueError("two interfaces have a gateway: one default route a container")
        return nics

    @field_validator("lxc_mounts")
    @classmethod
    def have_a_path_each(cls, volumes: list[Volume]) -> list[Volume]:
        for path in doubles(volume.path for volume in volumes):
            raise ValueError(f"two volumes are mounted on {path}")
        return volumes


# ---------------------------------------------------------------- mistakes

TEXTS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "too_short": "is empty",
    "string_too_short": "is empty",
    "string_type": "{0!r} is not a text",
    "bool_type": "{0!r} is not true or false",
    "list_type": "{0!r} is not a list",
    "dict_type": "{0!r} is not a mapping",
    "model_type": "{0!r} is not a mapping",
    "value_error": "{error}",
    "literal_error": "{0!r} is not {expected}",
}
REASONS = {
    "tag": ": an interface without a VLAN tag is not isolated",
    "lxc_features": ": Proxmox lets a token set nesting only",
}
PARTS: dict[str, type[BaseModel]] = {
    "lxc_features": Features,
    "lxc_mounts": Volume,
    "lxc_networks": Network,
    "lxc_nics": Interface,
}
# The group of those that stand before several web containers.
EDGE = "edge"
# What holds for the whole environment.
SHARED = ("ctlv_environment", "ctlv_deployment_id", "lxc_api_host", "lxc_api_port",
          "lxc_api_ca_file", "lxc_ssh_public_key_file", "lxc_ssh_jump", "lxc_assumed",
          "lxc_pool", "metrics_scrapers")  # fmt: skip


def desired(inventory: Inventory) -> Desired:
    """Return what the inventory wants.

    Raises OperatorError with every mistake, a line each: file, hosts, key, what is wrong with it.
    """
    checked: dict[str, Host] = {}
    mistakes = list(mistakes_between(inventory))
    for name, variables in inventory.hosts.items():
        own = {x: y for x, y in variables.items() if x in Host.model_fields or x.startswith("lxc_")}
        try:
            checked[name] = Host.model_validate(own, context=variables)
        except ValidationError as error:
            mistakes += [(name, key, text) for key, text in mistakes_in(error)]
    if mistakes:
        raise refusal(inventory, mistakes)
    any_host = checked[min(checked)]
    containers = sorted(map(wanted, checked, checked.values()), key=lambda each: each.vmid)
    return Desired(
        environment=inventory.environment,
        deployment=any_host.ctlv_deployment_id,
        containers=with_jumps(containers, inventory.groups),
        groups=tuple(
            (group, tuple(host for host in inventory.groups.get(group, ()) if host in checked))
            for group in SERVICES
        ),
        assumed=tuple(map(str, any_host.lxc_assumed or ())),
        pool=any_host.lxc_pool,
        api_host=any_host.lxc_api_host or None,
        api_port=any_host.lxc_api_port,
        api_ca_file=any_host.lxc_api_ca_file or None,
        ssh_public_key_file=any_host.lxc_ssh_public_key_file,
        ssh_jump=any_host.lxc_ssh_jump,
    )


def mistakes_in(error: ValidationError) -> Iterator[tuple[str, str]]:
    """The dotted place of each, and what is wrong there."""
    for found in error.errors(include_url=False):
        place, kind, details = found["loc"], found["type"], found.get("ctx", {})
        text = TEXTS.get(kind, "{0!r} is not allowed").format(found["input"], **details)
        if kind == "extra_forbidden":
            known = PARTS[str(place[0])] if len(place) > 1 else Host
            close = difflib.get_close_matches(str(place[-1]), known.model_fields, n=1)
            text += f"; did you mean {close[0]}?" if close else REASONS.get(str(place[0]), "")
        elif kind == "missing":
            text += REASONS.get(str(place[-1]), "")
        yield "".join(f"[{x}]" if isinstance(x, int) else f".{x}" for x in place)[1:], text


def refusal(inventory: Inventory, mistakes: list[tuple[str, str, str]]) -> OperatorError:
    hosts = defaultdict(list)
    for host, key, text in mistakes:
        place = inventory.place(host, re.split(r"[.[]", key)[0])
        hosts[place, key, text].append(host)
    lines = [
        f"\n  {place}: {', '.join(names)}: {key}: {text}"
        for (place, key, text), names in sorted(hosts.items())
    ]
    count = f"{len(lines)} mistakes" if len(lines) > 1 else "a mistake"
    return OperatorError(
        f"the inventory of {inventory.environment} has {count}:{''.join(lines)}",
        next_step="correct the lines named above; nothing was called",
    )


def mistakes_between(inventory: Inventory) -> Iterator[tuple[str, str, str]]:
    """What no host can see alone: host, key, what is wrong with it."""
    hosts = inventory.hosts
    first = min(hosts)
    yield from mistakes_of_edges(inventory)
    for host, variables in hosts.items():
        if not re.fullmatch(LABEL, host):
            yield host, "name", "is no host name: letters, digits, hyphens, at most 63"
        if variables.get("ctlv_environment") not in (None, "", inventory.environment):
            yield host, "ctlv_environment", f"is not {inventory.environment!r}, its folder"
        for key in SHARED:
            if variables.get(key) != hosts[first].get(key):
                yield host, key, f"differs from {first}'s: it holds for the whole environment"
    names = [(host.lower(), host) for host in hosts]
    vmids = [(variables.get("lxc_vmid"), host) for host, variables in hosts.items()]
    used = [(ip, host) for host, variables in hosts.items() for ip in addresses(variables)]
    for key, text, pairs in (
        ("name", "is one name to DNS and SSH", names),
        ("lxc_vmid", "{} is used twice", [pair for pair in vmids if type(pair[0]) is int]),
        ("lxc_nics", "{} is used twice", used),
    ):
        for value in doubles(value for value, _ in pairs):
            users = [host for other, host in pairs if other == value]
            yield from ((x, key, f"{text.format(value)}: {' and '.join(users)}") for x in users)


def mistakes_of_edges(inventory: Inventory) -> Iterator[tuple[str, str, str]]:
    """What they are to hold, where it is not said, or where a container still has it."""
    edges = sorted(inventory.groups.get(EDGE, ()))
    if not edges:
        return
    published = inventory.hosts[edges[0]].get("published_addresses")
    if not isinstance(published, dict) or not published.get("web"):
        yield edges[0], "published_addresses", "is missing: what people ask for, by group"
        return
    for group, address in published.items():
        for host, variables in inventory.hosts.items():
            if address in addresses(variables) and inventory.groups.get(group):
                text = f"{address} is what people ask for, and the edges' to hold"
                yield host, "lxc_nics", f"{text} (published_addresses): give this one another"


def addresses(variables: Mapping[str, Any]) -> list[str]:
    """Of a host's interfaces, as they are written, without the prefix."""
    nics = variables.get("lxc_nics")
    written = [nic for nic in nics if isinstance(nic, dict)] if isinstance(nics, list) else []
    return [str(nic["address"]).partition("/")[0] for nic in written if nic.get("address")]


def doubles(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


# ---------------------------------------------------------------- containers


def environment_tag(environment: str) -> str:
    """The tag by which our containers are found in a list without reading each of them."""
    return f"{MANAGED_TAG}-{environment}".lower()


def wanted(name: str, host: Host) -> Wanted:
    environment = host.ctlv_environment
    container = Container(
        vmid=host.lxc_vmid,
        node=host.lxc_node,
        hostname=name,
        template=host.lxc_template,
        unprivileged=True,
        cores=host.lxc_cores,
        memory_mib=host.lxc_memory_mib,
        swap_mib=host.lxc_swap_mib,
        disk=Disk(storage=host.lxc_storage, size_bytes=int(host.lxc_disk_gib * GIB)),
        nics=tuple(
            Nic(
                name=nic.name,
                bridge=host.lxc_bridge,
                tag=nic.network.tag,
                ip=str(nic.address),
                gateway=str(nic.network.gateway) if nic.network.gateway else None,
                mtu=nic.mtu,
                firewall=nic.firewall,
            )
            for nic in host.lxc_nics
            if nic.network
        ),
        mounts=tuple(
            Mount(
                path=volume.path,
                storage=volume.storage or host.lxc_storage,
                size_bytes=int(volume.size_gib * GIB),
                backup_enabled=volume.backup_enabled,
            )
            for volume in host.lxc_mounts
        ),
        features=(("nesting", "1"),) if host.lxc_features.nesting else (),
        onboot=host.lxc_onboot,
        startup=f"order={host.lxc_startup_order}" if host.lxc_startup_order else "",
        protection=host.lxc_protection,
        tags=parse_tags(" ".join([MANAGED_TAG, environment_tag(environment), *host.lxc_tags])),
        nameserver=host.lxc_nameserver,
        searchdomain=host.lxc_searchdomain,
        note=host.lxc_note,
        mark=Mark(deployment=host.ctlv_deployment_id, environment=environment, host=name),
    )
    return Wanted(
        container=container,
        address=host.ansible_host,
        jumps=(),
        wait=host.lxc_wait,
        template_storage=host.lxc_template_storage,
        sdn_zone=host.lxc_sdn_zone,
        ha=host.lxc_ha,
    )


def with_jumps(
    containers: Sequence[Wanted], groups: Mapping[str, Sequence[str]]
) -> tuple[Wanted, ...]:
    """Give each container without an uplink the neighbours through which SSH reaches it.

    A container whose address lies in a network with a gateway is reached directly; any other one
    through the first such container, edges aside, that has an interface with the same tag, or any
    other host of its group: what lets the one in lets the others in.
    """
    main = {
        wanted.host: next(
            n for n in wanted.container.nics if f"{n.ip}".startswith(f"{wanted.address}/")
        )
        for wanted in containers
    }
    near: dict[int | None, list[str]] = {}
    for wanted in containers:
        leads_on = main[wanted.host].gateway and wanted.host not in groups.get(EDGE, ())
        for nic in wanted.container.nics if leads_on else ():
            near.setdefault(nic.tag, []).append(wanted.host)
    for hosts in near.values():
        peers = min((g for g in groups.values() if hosts[0] in g), key=len, default=hosts[:1])
        hosts[:] = [host for host in hosts if host in peers]
    return tuple(
        wanted if main[wanted.host].gateway
        else replace(wanted, jumps=tuple(near.get(main[wanted.host].tag, ())))
        for wanted in containers
    )  # fmt: skip
