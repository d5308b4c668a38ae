"""Would apply work? One line each, ok or what to do. Reads only, and goes on after a failure."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any

from provision.actual import HIDDEN, in_parallel, is_free, is_ours, read
from provision.desired import Desired
from provision.errors import ApiError, OperatorError, UnknownOutcomeError
from provision.ha import is_declared, refusals
from provision.model import Actual, Found, Storage, Wanted, out_of_reach
from provision.placement import nodes_for, services
from provision.plan import copies, obstacles, way_out_of_lock
from provision.proxmox import Proxmox, held_on
from provision.report import copy_facts, copy_text, copy_ways
from provision.rights import (
    NETWORK_PRIVILEGES,
    ROLES,
    acl_lines,
    allowed,
    join_line,
    needed,
    too_much,
)
from provision.ssh import SSH_FAILED, Ssh
from provision.storages import TYPES, described, parse_storage
from provision.wire import (
    GIB,
    network_paths,
    newest_template,
    numbered,
    parse_bool,
    parse_found,
    parse_props,
    render_size,
)

SUPPORTED = frozenset({8, 9})
# User and token that the pveum commands are for, until there are others.
DEFAULT_IDENTITY = ("ctlv@pve", "provision")
CLOCK_TOLERANCE_S = 60
NODES_FOR_QUORUM = 3
DNS_PORT, DNS_TIMEOUT_S = 53, 2
DNS_KEYS = ("dns1", "dns2", "dns3")
# "Which name servers has the root?", as a resolver is asked (RFC 1035, 4.1).
ROOT_SERVERS = bytes.fromhex("1d01 0100 0001 0000 0000 0000 00 0002 0001")
# The first thing that apt would fetch, by its own settings; says from where, or apt's own words.
PACKAGES = """set -e; cd /tmp
first=$(apt-get update --print-uris | sed -n "s/^'\\([^']*\\)'.*/\\1/p" | head -n 1)
file=$(mktemp); trap 'rm -f "$file"' EXIT
proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
if said=$(/usr/lib/apt/apt-helper -o Acquire::Retries=0 -o Acquire::http::Timeout=10 \
  download-file "$first" "$file" 2>&1); then echo "$first" | cut -d / -f 3
else echo "${proxy:+by $proxy: }$(echo "$said" | grep '^E:' | head -n 1)"; exit 1; fi
"""
# What a new root disk holds at once, on a storage that gives space when it is written: a Debian.
UNPACKED_BYTES = GIB


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


def examine(desired: Desired, *, ssh: Ssh, connect: Callable[[], Proxmox]) -> Iterator[Finding]:
    """Everything, in the order in which it would stop an operator."""
    yield from guarded("SSH key", lambda: check_key(ssh))
    yield from guarded("SSH jump", lambda: check_jump(ssh))
    yield from check_assumed(desired)
    try:
        api = connect()
        version = api.get("version")
    except OperatorError as error:
        yield broken("API", error)
        return
    yield ok("API", f"{api.endpoint.url} answers, its certificate is trusted")
    yield from check_version(version)
    actual = Actual()
    try:
        actual = read(api, desired)
    except OperatorError as error:
        yield broken("containers", error)
    homes = {node_of(wanted, actual) for wanted in desired.containers}
    checks: Sequence[tuple[str, Check]] = (
        ("privileges", lambda: check_privileges(api, desired, actual)),
        ("cluster", lambda: check_quorum(api)),
        ("nodes", lambda: check_nodes(api, desired)),
        ("placement", lambda: check_placement(desired, actual)),
        ("HA", lambda: check_ha(desired, actual)),
        *on_each_node("clock", actual, nodes_of(desired), lambda n: check_clock(api, n)),
        *on_each_node("storage", actual, homes, lambda n: check_storages(api, n, desired, actual)),
        *on_each_node("bridge", actual, homes, lambda n: check_bridges(api, n, desired, actual)),
        *on_each_node(
            "template", actual, homes, lambda n: check_templates(api, n, desired, actual)
        ),
        ("DNS", lambda: check_dns(api, desired, actual)),
        ("packages", lambda: check_packages(desired, ssh, actual)),
        ("VMIDs", lambda: check_vmids(api, desired, actual)),
        ("neighbours", lambda: check_neighbours(api, desired)),
    )
    for subject, check in checks:
        yield from guarded(subject, check)


# ---------------------------------------------------------------- here


def check_key(ssh: Ssh) -> Iterator[Finding]:
    count = len(ssh.public_keys().splitlines())
    yield ok("SSH key", f"{ssh.public_key_file()} ({count} {'keys' if count > 1 else 'key'})")


def check_jump(ssh: Ssh) -> Iterator[Finding]:
    jump = ssh.desired.ssh_jump
    if problem := ssh.problem_of_jump():
        way = f"see that `ssh {jump}` signs you in without a question, or correct lxc_ssh_jump"
        yield bad("SSH jump", f"{jump} does not let you through: {problem}", way)
    elif jump:
        yield ok("SSH jump", f"{jump} lets you through")


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


def check_privileges(api: Proxmox, desired: Desired, actual: Actual) -> Iterator[Finding]:
    """What the token really has: with privilege separation that is what user and token share."""
    paths = needed(desired)
    old = old_networks(desired, actual)
    held = in_parallel(lambda path: held_on(api, path), {*paths, *old})
    lacking = {path: paths[path] - held[path] for path in paths if paths[path] - held[path]}
    for path, privileges in sorted(lacking.items()):
        yield bad(
            "privileges",
            f"{api.endpoint.token_id} lacks {', '.join(sorted(privileges))} on {path}",
            "run the pveum commands below on a node, as root",
        )
    if not lacking:
        yield ok("privileges", f"{api.endpoint.token_id} has all it needs on {len(paths)} paths")
    user, token_name = api.endpoint.user, api.endpoint.token_name
    for path, what in sorted(old.items()):
        if NETWORK_PRIVILEGES - held[path]:
            grant = acl_lines("modify", path, "CTLVNetwork", user, token_name)
            yield bad(
                "privileges",
                f"{what}, and Proxmox asks for SDN.Use on {path} before it lets go of it",
                f"on a node, as root: {' && '.join(grant)}",
            )
    yield from check_pool(api, desired)
    yield from check_nothing_wider(api, desired, old)


def old_networks(desired: Desired, actual: Actual) -> dict[str, str]:
    """Path -> which interface of ours is there, and shall not be (pve-container LXC.pm:1684)."""
    wanted = needed(desired)
    return {
        path: f"{nic.key} of {found.host} is on {nic.bridge}, "
        + (f"tag {nic.tag}" if nic.tag else "without a tag")
        for w in desired.containers
        if (found := actual.ours.get(w.vmid))
        for nic in (found.current or found.container).nics
        for path in network_paths(nic, w)
        if path not in wanted
    }


def check_pool(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    if not desired.pool:
        yield Finding(Verdict.NOTE, "pool", "none: the rights are those on every guest of /vms")
    elif desired.pool in {str(item["poolid"]) for item in api.get("pools")}:
        yield ok("pool", f"{desired.pool} is there")
    else:
        way = "run the pveum commands below on a node, as root; or set lxc_pool"
        yield bad("pool", f"{desired.pool} is not there, or lacks Pool.Audit", way)


def check_nothing_wider(api: Proxmox, desired: Desired, old: Collection[str]) -> Iterator[Finding]:
    """Stops nothing, so a note. Which role gives a right, a token may not read."""
    answer = api.get("access/permissions")
    held = {path: frozenset(privileges) for path, privileges in answer.items()}
    guests = api.get("cluster/resources", type="vm")
    members = [int(g["vmid"]) for g in guests if desired.pool and g.get("pool") == desired.pool]
    may = {**allowed(desired, held, members), **dict.fromkeys(old, NETWORK_PRIVILEGES)}
    for path, privileges in too_much(held, may).items():
        role = next((role for role, own in ROLES.items() if own <= privileges), "ROLE")
        lines = acl_lines("delete", path, role, api.endpoint.user, api.endpoint.token_name)
        yield Finding(
            Verdict.NOTE,
            "privileges",
            f"too much, on {path}: {', '.join(sorted(privileges))}",
            f"on a node, as root ('pveum acl list' shows the ROLE): {'; '.join(lines)}",
        )


# ---------------------------------------------------------------- nodes


def unless_forbidden(api: Proxmox, path: str) -> Any:
    """None for what needs Sys.Audit: nothing else of ours does, so we ask nobody to grant it."""
    try:
        return api.get(path)
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        return None


def check_quorum(api: Proxmox) -> Iterator[Finding]:
    entries = unless_forbidden(api, "cluster/status")
    if entries is None:
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


def check_placement(desired: Desired, actual: Actual) -> Iterator[Finding]:
    """Of each service that several containers do. What is not made yet, VMIDs says."""
    for group, members in services(desired):
        nodes = nodes_for(members, actual)
        homes: dict[str, list[str]] = {}
        for member in members:
            homes.setdefault(node_of(member, actual), []).append(member.host)
        node, most = max(homes.items(), key=lambda entry: len(entry[1]))
        if len(most) <= -(-len(members) // max(len(nodes), 1)) and len(homes) > 1:
            yield ok("placement", f"{group}: {len(members)} on {len(homes)} nodes")
            continue
        text = f"{group}: {', '.join(most)} on {node}, of {len(nodes)} nodes"
        way = "set another lxc_node for all but one, then make provision REBOOT=1"
        if len(nodes) <= 1:
            text = f"{group}: all {len(members)} on {node}, the only node for them"
            way = "when it is lost, so are all: a second node, with the same storage, is what helps"
        yield Finding(Verdict.NOTE, "placement", text, way)


def check_ha(desired: Desired, actual: Actual) -> Iterator[Finding]:
    """What is silent in Proxmox until a node is lost."""
    if not is_declared(desired):
        return
    if actual.ha_problem:
        yield bad("HA", *actual.ha_problem)
        return
    refused = [step.refusal for step in refusals(desired.containers, actual) if step.refusal]
    for refusal in refused:
        yield bad("HA", f"{refusal.change.field}: {refusal.reason}", refusal.next_step)
    count = sum(bool(wanted.ha) for wanted in desired.containers)
    if 0 < len(actual.nodes) < NODES_FOR_QUORUM:
        text = (
            f"{len(actual.nodes)} nodes: with one lost the rest has no quorum, and HA does nothing"
        )
        yield Finding(Verdict.NOTE, "HA", text, "a third node, or a QDevice (pvecm qdevice setup)")
    elif not refused:
        yield ok("HA", f"{count} containers can start on another node")


def on_each_node(
    subject: str, actual: Actual, nodes: Iterable[str], check: Callable[[str], Iterator[Finding]]
) -> list[tuple[str, Check]]:
    """A check of its own for each: one that fails hides no other. What is off, `nodes` says."""
    here = [node for node in sorted(nodes) if not out_of_reach(node, actual.nodes)]
    return [(subject, partial(check, node)) for node in here]


def check_clock(api: Proxmox, node: str) -> Iterator[Finding]:
    answer = unless_forbidden(api, f"nodes/{node}/time")
    if answer is None:
        return
    difference = round(float(answer["time"]) - time.time())
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


# ---------------------------------------------------------------- what containers ask others


def check_dns(api: Proxmox, desired: Desired, actual: Actual) -> Iterator[Finding]:
    """Asked from here, which may stand elsewhere than containers: what is silent is a note."""
    servers: dict[str, str] = {}
    of_node: dict[str, list[str]] = {}
    for wanted in desired.containers:
        node, own = wanted.container.node, wanted.container.nameserver
        servers |= dict.fromkeys(own.split(), "lxc_nameserver")
        if not (own or out_of_reach(node, actual.nodes)):
            of_node.setdefault(node, []).append(wanted.host)
    for node, hosts in of_node.items():
        try:
            named = dns_of_node(api, node)
        except OperatorError as error:
            yield broken("DNS", error)
            continue
        if named == {}:
            way = f"on {node}: System, DNS; or set lxc_nameserver"
            who = ", ".join(hosts) + (" asks its" if len(hosts) == 1 else " ask their")
            yield bad("DNS", f"{node} names no server, and {who} node's", way)
        servers |= named or {}
    problems = in_parallel(problem_of_dns, servers)
    for server, where in sorted(servers.items()):
        if problem := problems[server]:
            way = f"ask it from a container's network; or name another: {where}"
            text = f"{server} does not answer this machine: {problem}"
            yield Finding(Verdict.NOTE, "DNS", text, way)
        else:
            yield ok("DNS", f"{server} answers ({where})")


def dns_of_node(api: Proxmox, node: str) -> dict[str, str] | None:
    """What a container asks that is given no server of its own; where it is set. None: not told."""
    answer = unless_forbidden(api, f"nodes/{node}/dns")
    if answer is None:
        return None
    return {str(answer[key]): f"System, DNS on {node}" for key in DNS_KEYS if answer.get(key)}


def problem_of_dns(server: str) -> str:
    """Why it does not say who serves the root of all names; "" when it answers."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(DNS_TIMEOUT_S)
            asking.connect((server, DNS_PORT))
            asking.send(ROOT_SERVERS)
            answer = asking.recv(4096)
    except OSError as error:
        return error.strerror or "no answer"
    refused = answer[3:4] and answer[3] & 0xF
    return f"it answers with error {refused}" if refused else ""


def check_packages(desired: Desired, ssh: Ssh, actual: Actual) -> Iterator[Finding]:
    """Whether containers that live let us in, and get packages: by name server, proxy, way out."""
    living = [
        wanted.host
        for wanted in desired.containers
        if (found := actual.ours.get(wanted.vmid))
        and found.is_running
        and ssh.known_keys(wanted.host)
    ]
    for host, said in sorted(in_parallel(lambda name: ssh.told_by(name, PACKAGES), living).items()):
        code, text = said
        if code == SSH_FAILED:
            way = f"make operators ENV={desired.environment}; a changed host key: make trust"
            yield Finding(Verdict.NOTE, "SSH", f"{host} does not let you in: {text}", way)
        elif code:
            file = f"inventory/{desired.environment}/group_vars/all/environment.yml"
            way = f"where a proxy is asked, make deploy; another: package_upstream in {file}"
            yield Finding(Verdict.NOTE, "packages", f"{host} gets none: {text}", way)
        else:
            yield ok("packages", f"{host} gets them from {text}")


# ---------------------------------------------------------------- what creation needs


def check_storages(api: Proxmox, node: str, desired: Desired, actual: Actual) -> Iterator[Finding]:
    here = [w for w in desired.containers if node_of(w, actual) == node]
    listed = (parse_storage(item, node) for item in api.get(f"nodes/{node}/storage"))
    there = {storage.name: storage for storage in listed}
    for name, growths in sorted(growth(here, actual).items()):
        yield check_storage(node, name, there.get(name), "rootdir", growths)
    for name in sorted({w.template_storage for w in here if w.vmid not in actual.ours}):
        yield check_storage(node, name, there.get(name), "vztmpl", ())


def node_of(wanted: Wanted, actual: Actual) -> str:
    """Where it is, or else shall be."""
    found = actual.ours.get(wanted.vmid)
    return (found or wanted).container.node


def growth(containers: Iterable[Wanted], actual: Actual) -> dict[str, list[tuple[int, int]]]:
    """Storage -> of each disk there, bytes to be promised, and bytes written at once."""
    disks: dict[str, list[tuple[int, int]]] = {}
    for wanted in containers:
        found = actual.ours.get(wanted.vmid)
        root = wanted.container.disk
        before = found.container.disk.size_bytes if found else 0
        sizes = {mount.path: mount.size_bytes for mount in found.container.mounts} if found else {}
        disks.setdefault(root.storage, []).append(
            (root.size_bytes - before, 0 if found else min(root.size_bytes, UNPACKED_BYTES))
        )
        for mount in wanted.container.mounts:
            more = mount.size_bytes - sizes.get(mount.path, 0)
            disks.setdefault(mount.storage, []).append((more, 0))
    return {name: [(max(more, 0), now) for more, now in each] for name, each in disks.items()}


def check_storage(
    node: str, name: str, storage: Storage | None, content: str, growths: Sequence[tuple[int, int]]
) -> Finding:
    where = f"{name} on {node}"
    if storage is None:
        way = "correct lxc_storage or lxc_template_storage; or grant Datastore.Audit on it"
        return bad("storage", f"{where} is not there", way)
    if not storage.is_active:
        return bad("storage", f"{where} is not active", f"see why: pvesm status, on {node}")
    if not storage.takes(content):
        way = f"pvesm set {name} --content {storage.content},{content}"
        if content == "rootdir" and storage.type not in TYPES:
            way = f"choose another lxc_storage: {storage.type} is not for containers"
        return bad("storage", f"{where} does not take {content}", way)
    return check_space(where, storage, growths if content == "rootdir" else None)


def check_space(where: str, storage: Storage, growths: Sequence[tuple[int, int]] | None) -> Finding:
    """`growths` None: it holds templates only."""
    free = f"{storage.free_bytes // GIB} GiB free"
    if growths is None:
        return ok("storage", f"{where} takes vztmpl, {free}")
    promised, at_once = (sum(each) for each in zip(*growths, strict=True))
    needs = at_once if storage.is_thin else promised
    if needs > storage.free_bytes:
        text = f"{where} has {free}, {render_size(needs)} are wanted"
        return bad("storage", text, "free space on it, or choose another lxc_storage")
    text = f"{where} has {free}: {described(storage)}"
    if promised <= storage.free_bytes:
        return ok("storage", text)
    text += f"; thin, {render_size(promised)} are promised"
    way = "watch it: a thin storage that is full stops every guest on it"
    return Finding(Verdict.NOTE, "storage", text, way)


def check_bridges(api: Proxmox, node: str, desired: Desired, actual: Actual) -> Iterator[Finding]:
    interfaces = {
        str(item["iface"]): item for item in api.get(f"nodes/{node}/network", type="any_bridge")
    }
    wanted = {w.container.nics[0].bridge for w in desired.containers if node_of(w, actual) == node}
    for bridge in sorted(map(str, wanted)):
        yield check_bridge(node, bridge, interfaces.get(bridge))


def check_bridge(node: str, bridge: str, item: Mapping[str, Any] | None) -> Finding:
    """Every interface has a tag (desired.py), so no port of a VLAN-aware bridge becomes a trunk."""
    if item is None:
        way = "correct lxc_bridge; or grant SDN.Use on it (of a vnet, set lxc_sdn_zone first)"
        return bad("bridge", f"{bridge} on {node} is not there", way)
    if not parse_bool(item.get("active", item.get("type") == "vnet")):
        # Proxmox takes it, and fails when the container starts.
        way = f"on {node}, as root: ifreload -a (or ifup {bridge}); ip link show {bridge}"
        return bad("bridge", f"{bridge} on {node} is configured, but it is not up", way)
    if parse_bool(item.get("bridge_vlan_aware", 0)):
        return ok("bridge", f"{bridge} on {node} is VLAN-aware, every interface has a tag")
    if item.get("type") == "bridge" and "bridge_ports" in item and not item["bridge_ports"]:
        way = f"make it VLAN-aware: a tag on {bridge} needs a physical port otherwise"
        return bad("bridge", f"{bridge} on {node} has no physical port and is not VLAN-aware", way)
    return ok("bridge", f"{bridge} on {node} makes a bridge of its own for each tag")


def check_templates(api: Proxmox, node: str, desired: Desired, actual: Actual) -> Iterator[Finding]:
    keys = {
        (w.template_storage, str(w.container.template))
        for w in desired.containers
        if w.container.node == node and w.vmid not in actual.ours
    }
    for storage, name in sorted(keys):
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


def check_vmids(api: Proxmox, desired: Desired, actual: Actual) -> Iterator[Finding]:
    """Each for itself: what is wrong with one hides none of the others."""
    against = obstacles(desired, actual)
    for wanted in desired.containers:
        if wanted.vmid in against and actual.unread.get(wanted.vmid) != HIDDEN:
            yield bad("VMIDs", *against[wanted.vmid])
        else:
            yield check_vmid(api, desired, wanted, actual.ours.get(wanted.vmid))


def check_vmid(api: Proxmox, desired: Desired, wanted: Wanted, found: Found | None) -> Finding:
    name = f"{wanted.vmid} ({wanted.host})"
    if found is not None and found.lock:
        return Finding(
            Verdict.NOTE, "VMIDs", f"{name} is locked ({found.lock})", way_out_of_lock(found)
        )
    if found is not None:
        return ok("VMIDs", f"{name} is ours")
    if is_free(api, wanted.vmid):
        return ok("VMIDs", f"{name} is free")
    grant = f"on a node, as root: {join_line(desired.pool, wanted.vmid)}"
    way = grant if desired.pool else "grant VM.Audit on it"
    text = f"{name} is taken by a guest that the token cannot see"
    return bad("VMIDs", text, f"choose a free lxc_vmid; or, when it is ours, {way}")


def check_neighbours(api: Proxmox, desired: Desired) -> Iterator[Finding]:
    """Names and addresses of guests that are not in the inventory. A copy has both, and may."""
    vmids = {wanted.vmid for wanted in desired.containers}
    every = {int(i["vmid"]): i for i in api.get("cluster/resources", type="vm") if "vmid" in i}
    guests = {vmid: item for vmid, item in every.items() if vmid not in vmids}
    containers = [v for v, item in guests.items() if item.get("type") == "lxc"]
    configs = in_parallel(lambda vmid: config_of(api, guests[vmid]), containers)
    # By its mark alone: also what has lost our tags and its name.
    read = [f for vmid, config in configs.items() if (f := parsed(vmid, guests[vmid], config))]
    marked = [entry for entry in read if is_ours(entry.container.mark, desired)]
    for copy in copies(desired, marked, there=every):
        del guests[copy.found.container.vmid]
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


def parsed(vmid: int, item: Mapping[str, Any], config: Mapping[str, Any]) -> Found | None:
    """None for what cannot be understood."""
    try:
        return parse_found(vmid, str(item["node"]), config=config, pending=[], status=item)
    except ValueError:
        return None


def config_of(api: Proxmox, item: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        config: Mapping[str, Any] = api.get(f"nodes/{item['node']}/lxc/{item['vmid']}/config")
    except (ApiError, UnknownOutcomeError):
        # Not for our eyes, or its node is down.
        return {}
    return config
