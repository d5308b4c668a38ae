"""Compare what we want with what runs. Pure: no network, no clock, no printing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from provision.desired import Desired
from provision.errors import PlanError
from provision.model import (
    Actual,
    Change,
    Configure,
    Container,
    Copy,
    Create,
    Foreign,
    Found,
    Mount,
    Move,
    Nic,
    Plan,
    Reboot,
    Refusal,
    Resize,
    Start,
    Step,
    Storage,
    Value,
    Wanted,
)
from provision.wire import render_features, render_mount, render_nic, render_simple, render_size

REBUILD = "needs a rebuild"


def plan(desired: Desired, actual: Actual, *, reboot: bool = False) -> Plan:
    """Return the steps that turn `actual` into `desired`, ordered by VMID.

    With `reboot`, changes that wait for a restart get one. Raises PlanError, naming all of them,
    when a wanted VMID belongs to something that must not be touched.
    """
    check_ownership(desired, actual)
    steps = [
        plan_one(wanted, actual.ours.get(wanted.vmid), reboot=reboot)
        for wanted in desired.containers
    ]
    differing = tuple(step for step in steps if step.moves or step.refusals)
    alike = {step.wanted.vmid for step in steps} - {step.wanted.vmid for step in differing}
    aside = {wanted.vmid for wanted in desired.containers}
    found_copies = copies(desired, actual)
    aside |= {copy.found.container.vmid for copy in found_copies}
    return Plan(
        steps=differing,
        matching=tuple(actual.ours[vmid] for vmid in sorted(alike)),
        orphans=tuple(f for vmid, f in sorted(actual.ours.items()) if vmid not in aside),
        copies=found_copies,
        unread=actual.unread,
        storages=storages_used(desired, actual),
    )


def storages_used(desired: Desired, actual: Actual) -> tuple[Storage, ...]:
    """Where the disks of the inventory's containers are, or else shall be."""
    used = {
        ((actual.ours.get(wanted.vmid) or wanted).container.node, storage)
        for wanted in desired.containers
        for storage in {
            wanted.container.disk.storage,
            *(m.storage for m in wanted.container.mounts),
        }
    }
    return tuple(storage for storage in actual.storages if (storage.node, storage.name) in used)


def plan_one(wanted: Wanted, before: Found | None, *, reboot: bool = False) -> Step:
    """Return everything that differs in one container, and the moves that remove it, in order."""
    if before is None:
        new = numbered(wanted.container)
        return Step(
            wanted=wanted,
            before=None,
            changes=changes_between({}, flatten(new)),
            moves=(Create(container=new), Start()),
        )
    after = aligned(wanted.container, before.container)
    changes = changes_between(flatten(before.container), flatten(after))
    refused = refusals(changes, before, after)
    kept = tuple(change for change in changes if change not in {r.change for r in refused})
    status = () if before.is_running else (Change("status", before.status, "running"),)
    return Step(
        wanted=wanted,
        before=before,
        changes=kept + status,
        refusals=refused,
        moves=moves(before, after, {change.field for change in kept}, reboot=reboot),
        pending=before.pending,
    )


# ---------------------------------------------------------------- whose it is


def check_ownership(desired: Desired, actual: Actual) -> None:
    problems = [
        stranger(wanted, actual.foreign[wanted.vmid])
        for wanted in desired.containers
        if wanted.vmid in actual.foreign
    ]
    problems += [
        f"VMID {wanted.vmid} is {mark.host} of this environment, the inventory says {wanted.host}"
        for wanted in desired.containers
        if (found := actual.ours.get(wanted.vmid))
        and (mark := found.container.mark)
        and mark.host != wanted.host
    ]
    if problems:
        raise PlanError(
            "\n  ".join(problems),
            next_step="choose a free lxc_vmid in inventory/, or take the container over: "
            "make adopt NAME=... VMID=...; nothing was touched",
        )


def copies(desired: Desired, actual: Actual) -> tuple[Copy, ...]:
    """What carries a name of the inventory under a VMID that nothing in the inventory has."""
    found = [copy_of(found, desired, there=actual.ours) for _, found in sorted(actual.ours.items())]
    return tuple(copy for copy in found if copy is not None)


def copy_of(found: Found, desired: Desired, *, there: Collection[int]) -> Copy | None:
    """Whose copy one of ours is, None when it is no copy. `there` are the VMIDs that exist."""
    wanted = next((w for w in desired.containers if w.host == found.host), None)
    if wanted is None or found.container.vmid in {w.vmid for w in desired.containers}:
        return None
    return Copy(found=found, wanted=wanted, is_original_there=wanted.vmid in there)


def stranger(wanted: Wanted, guest: Foreign) -> str:
    name = f"VMID {guest.vmid} (wanted for {wanted.host})"
    if guest.mark is not None:
        mark = guest.mark
        return (
            f"{name} is {mark.host} of {mark.environment}, deployment {mark.deployment}: not ours"
        )
    if guest.lock == "create":
        return f"{name} is being created by someone, or was left half-created"
    return (
        f"{name} belongs to a guest that this project did not create: {guest.kind} {guest.name!r}"
    )


# ---------------------------------------------------------------- devices and their numbers


def numbered(container: Container) -> Container:
    """Give the devices of a new container their keys: net0, net1, mp0."""
    return replace(
        container,
        nics=tuple(replace(nic, key=f"net{n}") for n, nic in enumerate(container.nics)),
        mounts=tuple(replace(mount, key=f"mp{n}") for n, mount in enumerate(container.mounts)),
    )


def aligned(wanted: Container, found: Container) -> Container:
    """Give wanted devices the keys of those they match, else free ones; MACs and volumes are kept.

    An interface matches by its name in the container, a mount by its path: the place in the
    inventory's list means nothing, and what is not steered here (the node, an unknown template)
    is taken over.
    """
    nic_keys = keys_for(
        [nic.name for nic in wanted.nics], [(n.name, n.key) for n in found.nics], "net"
    )
    mount_keys = keys_for(
        [m.path for m in wanted.mounts], [(m.path, m.key) for m in found.mounts], "mp"
    )
    nics = {nic.key: nic for nic in found.nics}
    mounts = {mount.key: mount for mount in found.mounts}
    return replace(
        wanted,
        node=found.node,
        template=wanted.template if found.template else None,
        disk=replace(wanted.disk, volume=found.disk.volume),
        nics=tuple(
            sorted(
                (keep_mac(n, k, nics.get(k)) for n, k in zip(wanted.nics, nic_keys, strict=True)),
                key=lambda nic: int(nic.key[len("net") :]),
            )
        ),
        mounts=tuple(
            sorted(
                (
                    keep_volume(m, k, mounts.get(k))
                    for m, k in zip(wanted.mounts, mount_keys, strict=True)
                ),
                key=lambda mount: int(mount.key[len("mp") :]),
            )
        ),
    )


def keys_for(
    wanted: Sequence[str], found: Sequence[tuple[str, str]], prefix: str
) -> tuple[str, ...]:
    """The key of each wanted name: that of the first found of this name, else the lowest free."""
    existing: dict[str, str] = {}
    for name, key in found:
        existing.setdefault(name, key)
    taken = {key for _, key in found}
    free = (f"{prefix}{n}" for n in range(len(wanted) + len(found)) if f"{prefix}{n}" not in taken)
    return tuple(existing[name] if name in existing else next(free) for name in wanted)


def keep_mac(nic: Nic, key: str, found: Nic | None) -> Nic:
    return replace(nic, key=key, hwaddr=nic.hwaddr or (found.hwaddr if found else None))


def keep_volume(mount: Mount, key: str, found: Mount | None) -> Mount:
    return replace(mount, key=key, volume=found.volume if found else None)


# ---------------------------------------------------------------- field by field


def flatten(container: Container) -> dict[str, Value]:
    """Every compared field under the name a report shows. Missing and empty are the same: None."""
    fields: dict[str, Value] = {
        "hostname": container.hostname,
        "template": container.template,
        "unprivileged": container.unprivileged,
        "cores": container.cores,
        "memory_mib": container.memory_mib,
        "swap_mib": container.swap_mib,
        "rootfs.storage": container.disk.storage,
        "rootfs.size": render_size(container.disk.size_bytes),
        "features": render_features(container.features),
        "onboot": container.onboot,
        "startup": container.startup,
        "protection": container.protection,
        "tags": ";".join(container.tags),
        "nameserver": container.nameserver,
        "searchdomain": container.searchdomain,
        "note": container.note,
        "mark": mark_text(container),
    }
    for nic in container.nics:
        fields |= {f"{nic.key}.{name}": value for name, value in nic_fields(nic).items()}
    for mount in container.mounts:
        fields |= {f"{mount.key}.{name}": value for name, value in mount_fields(mount).items()}
    return {name: None if value == "" else value for name, value in fields.items()}


def mark_text(container: Container) -> str | None:
    mark = container.mark
    return f"{mark.deployment}/{mark.environment}/{mark.host}" if mark else None


def nic_fields(nic: Nic) -> dict[str, Value]:
    return {
        "name": nic.name,
        "bridge": nic.bridge,
        "tag": nic.tag,
        "ip": nic.ip,
        "gw": nic.gateway,
        "mtu": nic.mtu,
        "firewall": nic.firewall or None,
        **dict(nic.other),
    }


def mount_fields(mount: Mount) -> dict[str, Value]:
    return {
        "path": mount.path,
        "storage": mount.storage,
        "size": render_size(mount.size_bytes),
        "backup": mount.backup_enabled or None,
        **dict(mount.other),
    }


def changes_between(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[Change, ...]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(Change(name, old, new) for name, old, new in pairs if old != new)


# ---------------------------------------------------------------- what apply never does


def refusals(changes: Iterable[Change], before: Found, after: Container) -> tuple[Refusal, ...]:
    """The differences that cannot be removed in place, each with its reason and a way out."""
    found = (refusal(change, before, after) for change in changes)
    return tuple(entry for entry in found if entry is not None)


def refusal(change: Change, before: Found, after: Container) -> Refusal | None:
    host = after.hostname
    rebuild = f"make backup (its data is lost otherwise), make destroy NAMES={host}, make provision"
    device, _, name = change.field.partition(".")
    if change.field in {"template", "unprivileged", "rootfs.storage"}:
        return Refusal(change, REBUILD, rebuild)
    if change.field == "rootfs.size":
        shrinks = after.disk.size_bytes < before.container.disk.size_bytes
        return Refusal(change, f"a disk cannot shrink: {REBUILD}", rebuild) if shrinks else None
    if change.field == "features":
        return features_refusal(change, before, after)
    if not device.startswith("mp") or not name:
        return None
    return mount_refusal(change, device, before, after)


def features_refusal(change: Change, before: Found, after: Container) -> Refusal | None:
    """Proxmox lets a token change nesting, and only when nothing else changes with it."""

    def others(container: Container) -> set[tuple[str, str]]:
        return {(key, value) for key, value in container.features if key != "nesting"}

    if others(before.container) == others(after):
        return None
    wanted = f"--features {change.after}" if change.after else "--delete features"
    by_hand = f"on {before.container.node}, as root: pct set {after.vmid} {wanted}"
    return Refusal(change, "only root@pam may change features other than nesting", by_hand)


def mount_refusal(change: Change, key: str, before: Found, after: Container) -> Refusal | None:
    """A volume may be added and may grow; it is never detached, moved or shrunk by itself."""
    old = next((mount for mount in before.container.mounts if mount.key == key), None)
    new = next((mount for mount in after.mounts if mount.key == key), None)
    node, vmid = before.container.node, before.container.vmid
    if old is not None and new is None:
        detach = (
            f"detach it by hand on {node}: pct set {vmid} --delete {key}; or add it to lxc_mounts"
        )
        return Refusal(change, "a volume is never detached by itself", detach)
    is_growth = old is not None and new is not None and change.field == f"{key}.size"
    if before.container.protection and not is_growth:
        unlock = (
            f"set lxc_protection: false, apply, then apply this change, then protect {vmid} again"
        )
        return Refusal(change, "protection forbids changes of volumes", unlock)
    if old is None or new is None:
        return None
    if old.storage != new.storage:
        move = f"move it by hand on {node}: pct move-volume {vmid} {key} {new.storage}"
        return Refusal(change, "a volume is never moved by itself", move)
    if new.size_bytes < old.size_bytes:
        larger = f"set its size_gib to at least {render_size(old.size_bytes)} in lxc_mounts"
        return Refusal(change, "a volume cannot shrink", larger)
    return None


# ---------------------------------------------------------------- moves


def moves(
    before: Found, after: Container, changed: AbstractSet[str], *, reboot: bool
) -> tuple[Move, ...]:
    """Configuration first, then growing disks, then running state.

    A stopped container takes everything at once, so a start needs no reboot after it.
    """
    steps: list[Move] = []
    configure = configuration(before, after, changed)
    if configure is not None:
        steps.append(configure)
    steps += [
        Resize(disk=disk, size=render_size(size), digest=before.digest)
        for disk, size in growing(before.container, after, changed)
    ]
    if not before.is_running:
        steps.append(Start())
    elif reboot and before.pending and not steps:
        steps.append(Reboot())
    return tuple(steps)


# Field of the report -> key of the API, where they differ.
API_KEYS = {
    "memory_mib": "memory",
    "swap_mib": "swap",
    "note": "description",
    "mark": "description",
}


def configuration(before: Found, after: Container, changed: AbstractSet[str]) -> Configure | None:
    """One PUT for everything but disks' sizes; a device is always sent whole, with its MAC."""
    wanted: dict[str, str | int] = {
        **render_simple(after),
        **{nic.key: render_nic(nic) for nic in after.nics},
        **{
            mount.key: render_mount(replace(mount, size_bytes=size_now(before.container, mount)))
            for mount in after.mounts
        },
    }
    fields = {
        name for name in changed if not name.startswith("rootfs.") and not is_growth(name, before)
    }
    keys = {API_KEYS.get(name, name.partition(".")[0]) for name in fields}
    to_set = {key: wanted[key] for key in sorted(keys) if wanted.get(key, "") != ""}
    to_delete = tuple(key for key in sorted(keys) if key not in to_set)
    if not keys:
        return None
    return Configure(set=to_set, delete=to_delete, digest=before.digest)


def is_growth(field: str, before: Found) -> bool:
    """True for the size of a volume that exists: resize's business."""
    key, _, name = field.partition(".")
    return name == "size" and any(mount.key == key for mount in before.container.mounts)


def size_now(found: Container, mount: Mount) -> int:
    """The size to write beside a volume: what it has; what it shall have, when it is new."""
    sizes = {old.key: old.size_bytes for old in found.mounts}
    return sizes.get(mount.key, mount.size_bytes)


def growing(
    before: Container, after: Container, changed: AbstractSet[str]
) -> list[tuple[str, int]]:
    """Disks to grow, with their new sizes in bytes."""
    grown = [("rootfs", after.disk.size_bytes)] if "rootfs.size" in changed else []
    existing = {mount.key for mount in before.mounts}
    grown += [
        (mount.key, mount.size_bytes)
        for mount in after.mounts
        if mount.key in existing and f"{mount.key}.size" in changed
    ]
    return grown


# ---------------------------------------------------------------- destroying, by name only


def check_destroy(found: Sequence[Found], *, stop: bool) -> None:
    """Raise PlanError, naming every reason, unless all of `found` may be destroyed right now."""
    problems = [problem for entry in found for problem in destroy_problems(entry, stop=stop)]
    if problems:
        raise PlanError(
            "\n  ".join(problem for problem, _ in problems),
            next_step="; ".join(dict.fromkeys(way for _, way in problems))
            + "; nothing was touched",
        )


def way_out_of_lock(found: Found) -> str:
    """Some locks are held by a task that ends; these two are what a failed task left."""
    if found.lock in {"create", "destroyed"}:
        vmid = found.container.vmid
        return f"when no task of it runs, on {found.container.node}: pct unlock {vmid}"
    return "wait for the task that holds the lock"


def destroy_problems(found: Found, *, stop: bool) -> list[tuple[str, str]]:
    """What stands against it, each with a way out."""
    container = found.container
    name = f"{found.host} (VMID {container.vmid})"
    problems = []
    if container.protection:
        problems.append((f"{name} is protected", "set lxc_protection: false and apply first"))
    if found.lock:
        problems.append((f"{name} is locked ({found.lock})", way_out_of_lock(found)))
    if found.is_running and not stop:
        problems.append((f"{name} is running", "say --stop to stop it first (make: STOP=1)"))
    return problems
