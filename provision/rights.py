"""What the token must hold, where, and root's lines that grant it. Pure.

Where the knowledge comes from: pve-access-control src/PVE/RPCEnvironment.pm (a pool's rights are
those on its guests), pve-container src/PVE/API2/LXC.pm and LXC.pm (what each call asks for).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from provision.desired import Desired
from provision.ha import is_declared
from provision.wire import network_paths

VM_PRIVILEGES = frozenset(
    {
        "VM.Allocate", "VM.Audit", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory",
        "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Snapshot",
        "VM.Snapshot.Rollback",
    }
)  # fmt: skip
POOL_PRIVILEGES = frozenset({"Pool.Audit"})
STORAGE_PRIVILEGES = frozenset({"Datastore.AllocateSpace", "Datastore.Audit"})
TEMPLATE_PRIVILEGES = frozenset({"Datastore.AllocateTemplate", "Datastore.Audit"})
NETWORK_PRIVILEGES = frozenset({"SDN.Use"})
# From one node to another.
MOVE_PRIVILEGES = frozenset({"VM.Migrate"})
# Resources, rules and groups of HA are the cluster's (pve-ha-manager API2/HA/*.pm).
HA_PRIVILEGES = frozenset({"Sys.Audit", "Sys.Console"})
ROLES = {
    "CTLVContainers": VM_PRIVILEGES,
    "CTLVMove": MOVE_PRIVILEGES,
    "CTLVHA": HA_PRIVILEGES,
    "CTLVPool": POOL_PRIVILEGES,
    "CTLVDisks": STORAGE_PRIVILEGES,
    "CTLVTemplates": TEMPLATE_PRIVILEGES,
    "CTLVNetwork": NETWORK_PRIVILEGES,
}
Rights = Mapping[str, frozenset[str]]


def needed(desired: Desired) -> dict[str, frozenset[str]]:
    """Path -> privileges: exactly what our calls use, and nothing on / but for HA (`lxc_ha`)."""
    paths: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    # On one node there is nothing to move.
    is_cluster = len({wanted.container.node for wanted in desired.containers}) > 1
    on_guests = VM_PRIVILEGES | (MOVE_PRIVILEGES if is_cluster else frozenset())
    if is_declared(desired):
        paths["/"] |= HA_PRIVILEGES
    for wanted in desired.containers:
        container = wanted.container
        if desired.pool:
            paths[f"/pool/{desired.pool}"] |= on_guests | POOL_PRIVILEGES
        else:
            paths[f"/vms/{wanted.vmid}"] |= on_guests
        paths[f"/storage/{wanted.template_storage}"] |= TEMPLATE_PRIVILEGES
        for storage in container.storages:
            paths[f"/storage/{storage}"] |= STORAGE_PRIVILEGES
        for nic in container.nics:
            for path in network_paths(nic, wanted):
                paths[path] |= NETWORK_PRIVILEGES
    return dict(paths)


def too_much(held: Rights, allowed: Rights) -> dict[str, frozenset[str]]:
    """Path -> privileges beyond `allowed`, each named once, at the highest path that has it.

    What is too much on a pool shows on its guests and storages too.
    """

    def at(rights: Rights, path: str) -> frozenset[str]:
        above = [p for p in rights if p in ("/", path) or path.startswith(f"{p}/")]
        if rights is found and path.startswith(("/vms/", "/storage/")):
            above += [p for p in rights if p.startswith("/pool/")]
        return frozenset(privilege for p in above for privilege in rights[p])

    found: dict[str, frozenset[str]] = {}
    for path in sorted(held):
        beyond = held[path] - at(allowed, path) - at(found, path)
        if beyond:
            found[path] = beyond
    return found


def allowed(desired: Desired, held: Iterable[str], members: Iterable[int]) -> Rights:
    """What is not too much: `needed`, where Proxmox shows it again, and both ways to say it.

    `held` are the paths that have any right, `members` the guests in our pool: a pool's rights
    show on each of its guests and storages. Without a pool /vms is what doctor's lines grant.
    """
    paths = needed(desired)
    if not desired.pool:
        return paths | {"/vms": VM_PRIVILEGES | MOVE_PRIVILEGES}
    guests = paths[f"/pool/{desired.pool}"] | MOVE_PRIVILEGES
    paths[f"/pool/{desired.pool}"] = guests
    storages = {path for path in held if path.startswith("/storage/")}
    shown = {f"/vms/{vmid}" for vmid in (*members, *(w.vmid for w in desired.containers))}
    return paths | {path: paths.get(path, frozenset()) | guests for path in storages | shown}


# ---------------------------------------------------------------- root's lines


def pveum_commands(desired: Desired, user: str, token_name: str) -> list[str]:
    """A role a kind of path, one user, one token; granted to both, as privilege separation wants.

    Each may be run again. SDN.Use is granted a bridge and tag: the bridge alone would open every
    VLAN on it.
    """
    grants = {
        ("/vms" if path.startswith("/vms/") else path, role)
        for path, privileges in needed(desired).items()
        for role, own in ROLES.items()
        if own <= privileges
    }
    roles = {role for _, role in grants}
    lines = [
        f'pveum role add {role} --privs "{privileges}" '
        f'|| pveum role modify {role} --privs "{privileges}"'
        for role, privileges in ((r, " ".join(sorted(own))) for r, own in ROLES.items())
        if role in roles
    ]
    lines.append(f"pveum user add {user} || pveum user modify {user} --enable 1")
    token = f"{user} {token_name} --privsep 1"
    lines.append(f"pveum user token add {token} || pveum user token modify {token}")
    parts = desired.pool.split("/") if desired.pool else []
    pools = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    lines += [f"pveum pool add {pool} || pveum pool modify {pool}" for pool in pools]
    for path, role in sorted(grants):
        lines += acl_lines("modify", path, role, user, token_name)
    if not desired.pool:
        vmids = ", ".join(f"/vms/{wanted.vmid}" for wanted in desired.containers)
        lines.append(f"# Narrower than /vms, which is every guest: {vmids}.")
        lines.append("# Proxmox drops these with a destroyed container: grant them again first.")
    return lines


def acl_lines(verb: str, path: str, role: str, user: str, token_name: str) -> list[str]:
    """For user and token; `verb` is modify or delete, which may both be run again."""
    return [
        f"pveum acl {verb} {path} --users {user} --roles {role}",
        f"pveum acl {verb} {path} --tokens '{user}!{token_name}' --roles {role}",
    ]


def join_line(pool: str, vmid: int, *, now: str = "") -> str:
    """Puts a container into the pool, out of the one where it is `now`. No token of ours may."""
    return f"pveum pool modify {pool} --vms {vmid}" + (" --allow-move 1" if now else "")
