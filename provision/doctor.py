"""Would apply work? One line each, ok or what to do. Reads only, and goes on after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from provision.actual import in_parallel, is_ours, read
from provision.credentials import Endpoint
from provision.desired import Desired
from provision.errors import ApiError, OperatorError, UnknownOutcomeError
from provision.model import Actual, Copy, Wanted
from provision.plan import check_ownership, copy_of
from provision.proxmox import Proxmox, held_on
from provision.report import copy_facts, copy_text, copy_ways
from provision.ssh import Ssh
from provision.wire import (
    newest_template,
    numbered,
    parse_bool,
    parse_found,
    parse_props,
    render_size,
)

SUPPORTED = frozenset({8, 9})
CLOCK_TOLERANCE_S = 60
VM_PRIVILEGES = frozenset(
    {
        "VM.Allocate", "VM.Audit", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory",
        "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Snapshot",
        "VM.Snapshot.Rollback",
    }
)  # fmt: skip
STORAGE_PRIVILEGES = frozenset({"Datastore.AllocateSpace", "Datastore.Audit"})
TEMPLATE_PRIVILEGES = frozenset({"Datastore.AllocateTemplate", "Datastore.Audit"})
NODE_PRIVILEGES = frozenset({"Sys.Audit"})
NETWORK_PRIVILEGES = frozenset({"SDN.Use"})


class Verdict(Enum):
    OK = "ok"
    NOTE = "note"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `next_step` is empty when there is nothing to do."""

    verdict: Verdict
    subject: str
    text: str
    next_step: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict.value:4}  {self.subject}: {self.text}"
        return f"{line}\n      Next: {self.next_step}" if self.next_step else line


def ok(subject: str, text: str) -> Finding:
    return Finding(Verdict.OK, subject, text)


def bad(subject: str, text: str, next_step: str) -> Finding:
    return Finding(Verdict.BAD, subject, text, next_step)


def broken(subject: str, error: OperatorError) -> Finding:
    return bad(subject, error.problem, error.next_step)


Check = Callable[[], Iterator[Finding]]


def guarded(subject: str, check: Check) -> Iterator[Finding]:
    """The findings of one check; a failure of its own is one more."""
    try:
        yield from check()
    except OperatorError as error:
        yield broken(subject, error)


def examine(
    desired: Desired,
    *,
    ssh: Ssh,
    connect: Callable[[], Proxmox],
    now: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Everything, in the order in which it would stop an operator."""
    yield from guarded("SSH key", lambda: check_key(ssh))
    yield from check_assumed(desired)
    try:
        api = connect()
        version = api.get("version")
    except OperatorError as error:
        yield broken("API", error)
        return
    yield ok("API", f"{api.endpoint.url} answers, its certificate is trusted")
    yield from check_version(version)
    checks: Sequence[tuple[str, Check]] = (
        ("privileges", lambda: check_privileges(api, desired)),
        ("cluster", lambda: check_quorum(api)),
        ("nodes", lambda: check_nodes(api, desired)),
        ("clock", lambda: check_clock(api, desired, now)),
        ("storage", lambda: check_storages(api, desired)),
        ("bridge", lambda: check_bridges(api, desired)),
        ("template", lambda: check_templates(api, desired)),
        ("VMIDs", lambda: check_vmids(api, desired)),
        ("neighbours", lambda: check_neighbours(api, desired)),
    )
    for subject, check in checks:
        yield from guarded(subject, check)


# ---------------------------------------------------------------- here


def check_key(ssh: Ssh) -> Iterator[Finding]:
    count = len(ssh.public_keys().splitlines())
    yield ok("SSH key", f"{ssh.public_key_file()} ({count} {'keys' if count > 1 else 'key'})")


def check_assumed(desired: Desired) -> Iterator[Finding]:
    file = f"inventory/{desired.environment}/group_vars/all/containers.yml"
    for number, entry in enumerate(desired.assumed, start=1):
        is_last = number == len(desired.assumed)
        way = f"check each, then remove its line from lxc_assumed in {file}" if is_last else ""
        yield bad("assumed", entry, way)
    if not desired.assumed:
        yield ok("assumed", "nothing in the inventory is a guess")


# ---------------------------------------------------------------- the API and our rights


def check_version(version: Mapping[str, Any]) -> Iterator[Finding]:
    text = str(version.get("version", "?"))
    major = text.partition(".")[0]
    if major.isdecimal() and int(major) in SUPPORTED:
        yield ok("version", f"Proxmox VE {text}")
    else:
        yield bad("version", f"Proxmox VE {text} was never tried", "use Proxmox VE 8 or 9")


def needed(desired: Desired) -> dict[str, frozenset[str]]:
    """Path -> privileges: exactly what apply uses, and nothing on /."""
    paths: dict[str, frozenset[str]] = {}

    def need(path: str, privileges: frozenset[str]) -> None:
        paths[path] = paths.get(path, frozenset()) | privileges

    for wanted in desired.containers:
        container = wanted.container
        need(f"/vms/{wanted.vmid}", VM_PRIVILEGES)
        need(f"/nodes/{container.node}", NODE_PRIVILEGES)
        need(f"/storage/{wanted.template_storage}", TEMPLATE_PRIVILEGES)
        for storage in {container.disk.storage, *(mount.storage for mount in container.mounts)}:
            need(f"/storage/{storage}", STORAGE_PRIVILEGES)
        for nic in container.nics:
            need(f"/sdn/zones/localnetwork/{nic.bridge}/{nic.tag}", NETWORK_PRIVILEGES)
    return paths


def check_privileges(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    """What the token really has: with privilege separation that is what user and token share."""
    paths = needed(desired)
    held = in_parallel(lambda path: held_on(api, path), paths)
    lacking = {path: paths[path] - held[path] for path in paths if paths[path] - held[path]}
    for path, privileges in sorted(lacking.items()):
        yield bad(
            "privileges",
            f"{api.endpoint.token_id} lacks {', '.join(sorted(privileges))} on {path}",
            "run the pveum commands below on a node, as root",
        )
    if not lacking:
        yield ok("privileges", f"{api.endpoint.token_id} has all it needs on {len(paths)} paths")


def pveum_commands(desired: Desired, user: str, token_name: str) -> list[str]:
    """A role a kind of path, one user, one token; granted to both, as privilege separation wants.

    Containers get theirs on /vms, not on /vms/ID: Proxmox drops the latter with the container.
    SDN.Use is granted a bridge and tag: the bridge alone would open every VLAN on it.
    """
    roles = {
        "CTLVContainers": VM_PRIVILEGES,
        "CTLVDisks": STORAGE_PRIVILEGES,
        "CTLVTemplates": TEMPLATE_PRIVILEGES,
        "CTLVNode": NODE_PRIVILEGES,
        "CTLVNetwork": NETWORK_PRIVILEGES,
    }
    grants = {
        ("/vms" if path.startswith("/vms/") else path, role)
        for path, privileges in needed(desired).items()
        for role, own in roles.items()
        if own <= privileges
    }
    lines = [
        f'pveum role add {role} --privs "{" ".join(sorted(privileges))}"'
        for role, privileges in roles.items()
    ]
    lines += [f"pveum user add {user}", f"pveum user token add {user} {token_name} --privsep 1"]
    for path, role in sorted(grants):
        lines.append(f"pveum acl modify {path} --users {user} --roles {role}")
        lines.append(f"pveum acl modify {path} --tokens '{user}!{token_name}' --roles {role}")
    vmids = ", ".join(f"/vms/{wanted.vmid}" for wanted in desired.containers)
    lines.append(f"# Narrower than /vms, which is every guest: {vmids}.")
    lines.append("# Proxmox drops these with a destroyed container: grant them again before it.")
    return lines


# ---------------------------------------------------------------- nodes


def check_quorum(api: Proxmox) -> Iterator[Finding]:
    try:
        entries = api.get("cluster/status")
    except ApiError as error:
        # Needs Sys.Audit on /, which we do not ask for.
        yield Finding(Verdict.NOTE, "cluster", f"its quorum cannot be read ({error.status})")
        return
    cluster = next((entry for entry in entries if entry.get("type") == "cluster"), None)
    if cluster is not None and not parse_bool(cluster.get("quorate", 1)):
        yield bad("cluster", "it has lost its quorum", "bring its nodes back: pvecm status")
    else:
        yield ok("cluster", "quorate" if cluster else "a single node")


def nodes_of(desired: Desired) -> list[str]:
    return sorted({wanted.container.node for wanted in desired.containers})


def check_nodes(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    states = {str(node["node"]): node.get("status") for node in api.get("nodes")}
    for node in nodes_of(desired):
        if node not in states:
            there = ", ".join(sorted(states))
            yield bad("nodes", f"there is no node {node} (there are: {there})", "correct lxc_node")
        elif states[node] == "offline":
            yield bad("nodes", f"{node} is offline", "bring it back, or name another in lxc_node")
        else:
            yield ok("nodes", f"{node} is {states[node]}")


def check_clock(api: Proxmox, desired: Desired, now: Callable[[], float]) -> Iterator[Finding]:
    for node in nodes_of(desired):
        difference = round(float(api.get(f"nodes/{node}/time")["time"]) - now())
        if abs(difference) > CLOCK_TOLERANCE_S:
            # Stops nothing by itself.
            yield Finding(
                Verdict.NOTE,
                "clock",
                f"{node} and this machine differ by {difference} s",
                "set both by NTP: tokens and certificates are judged by the clock",
            )
        else:
            yield ok("clock", f"{node} and this machine agree")


# ---------------------------------------------------------------- what creation needs


def check_storages(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    for node in nodes_of(desired):
        here = [w for w in desired.containers if w.container.node == node]
        there = {str(item["storage"]): item for item in api.get(f"nodes/{node}/storage")}
        for storage, size_bytes in sorted(space_needed(here).items()):
            yield check_storage(node, storage, there.get(storage), "rootdir", size_bytes)
        for storage in sorted({w.template_storage for w in here}):
            yield check_storage(node, storage, there.get(storage), "vztmpl", 0)


def space_needed(containers: Sequence[Wanted]) -> dict[str, int]:
    space: dict[str, int] = {}
    for wanted in containers:
        container = wanted.container
        sizes = [(container.disk.storage, container.disk.size_bytes)]
        sizes += [(mount.storage, mount.size_bytes) for mount in container.mounts]
        for storage, size_bytes in sizes:
            space[storage] = space.get(storage, 0) + size_bytes
    return space


def check_storage(
    node: str, storage: str, item: Mapping[str, Any] | None, content: str, size_bytes: int
) -> Finding:
    name = f"{storage} on {node}"
    if item is None:
        way = "correct lxc_storage or lxc_template_storage; or grant Datastore.Audit on it"
        return bad("storage", f"{name} is not there", way)
    if not parse_bool(item.get("active", 1)):
        return bad("storage", f"{name} is not active", f"see why: pvesm status, on {node}")
    if content not in str(item.get("content", "")).split(","):
        way = f"pvesm set {storage} --content {item.get('content')},{content}"
        return bad("storage", f"{name} does not take {content}", way)
    free = int(item.get("avail") or 0)
    if size_bytes > free:
        text = f"{name} has {free // 1024**3} GiB free, {render_size(size_bytes)} are wanted"
        return bad("storage", text, "free space on it, or choose another lxc_storage")
    return ok("storage", f"{name} takes {content}, {free // 1024**3} GiB free")


def check_bridges(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    for node in nodes_of(desired):
        interfaces = {
            str(item["iface"]): item for item in api.get(f"nodes/{node}/network", type="any_bridge")
        }
        wanted = {
            w.container.nics[0].bridge for w in desired.containers if w.container.node == node
        }
        for bridge in sorted(map(str, wanted)):
            yield check_bridge(node, bridge, interfaces.get(bridge))


def check_bridge(node: str, bridge: str, item: Mapping[str, Any] | None) -> Finding:
    """Every interface has a tag (desired.py), so no port of a VLAN-aware bridge becomes a trunk."""
    if item is None:
        way = "correct lxc_bridge; or grant SDN.Use on it"
        return bad("bridge", f"{bridge} on {node} is not there", way)
    if parse_bool(item.get("bridge_vlan_aware", 0)):
        return ok("bridge", f"{bridge} on {node} is VLAN-aware, every interface has a tag")
    if item.get("type") == "bridge" and "bridge_ports" in item and not item["bridge_ports"]:
        way = f"make it VLAN-aware: a tag on {bridge} needs a physical port otherwise"
        return bad("bridge", f"{bridge} on {node} has no physical port and is not VLAN-aware", way)
    return ok("bridge", f"{bridge} on {node} makes a bridge of its own for each tag")


def check_templates(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    keys = {
        (w.container.node, w.template_storage, str(w.container.template))
        for w in desired.containers
    }
    for node, storage, name in sorted(keys):
        content = api.get(f"nodes/{node}/storage/{storage}/content", content="vztmpl")
        stored = newest_template(name, [str(item["volid"]) for item in content])
        if stored is not None:
            yield ok("template", stored)
            continue
        index = [str(i.get("template", "")) for i in api.get(f"nodes/{node}/aplinfo")]
        offered = newest_template(name, index)
        if offered is not None:
            yield ok("template", f"{offered} will be downloaded to {storage}")
        else:
            way = f"on {node}: pveam update; then see pveam available --section system"
            yield bad("template", f"{name} is neither on {storage} nor in the index of {node}", way)


def check_vmids(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    actual: Actual = read(api, desired)
    check_ownership(desired, actual)
    for wanted in desired.containers:
        name = f"{wanted.vmid} ({wanted.host})"
        if wanted.vmid in actual.ours:
            yield ok("VMIDs", f"{name} is ours")
        elif is_free(api, wanted.vmid):
            yield ok("VMIDs", f"{name} is free")
        else:
            way = "choose a free lxc_vmid; or grant VM.Audit on it, when it is ours"
            yield bad("VMIDs", f"{name} is taken by a guest that the token cannot see", way)


def is_free(api: Proxmox, vmid: int) -> bool:
    """True unless some guest has it, those included that our token may not see."""
    try:
        api.get("cluster/nextid", vmid=vmid)
    except ApiError as error:
        if "already exists" not in error.text:
            raise
        return False
    return True


def check_neighbours(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    """Names and addresses of guests that are not in the inventory. A copy has both, and may."""
    vmids = {wanted.vmid for wanted in desired.containers}
    every = {int(i["vmid"]): i for i in api.get("cluster/resources", type="vm") if "vmid" in i}
    guests = {vmid: item for vmid, item in every.items() if vmid not in vmids}
    containers = [v for v, item in guests.items() if item.get("type") == "lxc"]
    configs = in_parallel(lambda vmid: config_of(api, guests[vmid]), containers)
    for vmid, config in sorted(configs.items()):
        copy = copy_in(vmid, guests[vmid], config, desired, there=every)
        if copy is not None:
            del guests[vmid]
            text = "; ".join([copy_text(copy), *copy_facts(copy)])
            yield Finding(Verdict.NOTE, "copies", text, "; or ".join(copy_ways(copy)))
    names = {wanted.host.lower() for wanted in desired.containers}
    ours = {
        nic.ip.partition("/")[0]: wanted.host
        for wanted in desired.containers
        for nic in wanted.container.nics
        if nic.ip
    }
    found = []
    for vmid, item in sorted(guests.items()):
        if str(item.get("name", "")).lower() in names:
            found.append((f"guest {vmid} has the name {item['name']} too", "rename one of them"))
    for vmid, config in sorted((v, c) for v, c in configs.items() if v in guests):
        for _, text in numbered(config, "net"):
            address = parse_props(text)[1].get("ip", "").partition("/")[0]
            if address in ours:
                problem = f"container {vmid} has {address} too, the address of {ours[address]}"
                found.append((problem, "change one of them: two guests cannot share an address"))
    yield from (bad("neighbours", problem, way) for problem, way in found)
    if not found:
        yield ok("neighbours", f"none of {len(guests)} visible guests shares a name or address")


def copy_in(
    vmid: int,
    item: Mapping[str, Any],
    config: Mapping[str, Any],
    desired: Desired,
    *,
    there: Collection[int],
) -> Copy | None:
    """Also one that has lost our tags and its name, by its mark alone."""
    try:
        found = parse_found(vmid, str(item["node"]), config=config, pending=[], status=item)
    except ValueError:
        return None
    return copy_of(found, desired, there=there) if is_ours(found.container.mark, desired) else None


def config_of(api: Proxmox, item: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        config: Mapping[str, Any] = api.get(f"nodes/{item['node']}/lxc/{item['vmid']}/config")
    except (ApiError, UnknownOutcomeError):
        # Not for our eyes, or its node is down.
        return {}
    return config


def default_identity(endpoint: Endpoint | None) -> tuple[str, str]:
    """User and token that the commands are for."""
    return (endpoint.user, endpoint.token_name) if endpoint else ("ctlv@pve", "provision")
