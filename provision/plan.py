"""Compare what we want with what runs. Pure: no network, no clock, no printing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from provision.desired import Desired
from provision.errors import PlanError
from provision.ha import plan_ha
from provision.model import (
    BESIDE,
    Actual,
    Change,
    Configure,
    Container,
    Copy,
    Create,
    Foreign,
    Found,
    Migrate,
    Mount,
    Move,
    Nic,
    Pending,
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
from provision.placement import kept_away
from provision.wire import (
    render_features,
    render_gib,
    render_mount,
    render_nic,
    render_simple,
    render_size,
)

REBUILD = "needs a rebuild"
# Before the key, in the name of a change that only drops what waits for a restart.
WAITING = "waiting."


def plan(desired: Desired, actual: Actual, *, reboot: bool = False) -> Plan:
    """Return the steps that turn `actual` into `desired`, ordered by VMID.

    With `reboot`, changes that wait for a restart get one. What must not be touched is a step that
    does nothing: it keeps no other container back.
    """
    blocked = {
        vmid: Refusal(Change("VMID", None, vmid), problem, next_step)
        for vmid, (problem, next_step) in obstacles(desired, actual).items()
    }
    away = kept_away(desired, actual)
    steps = [
        Step(wanted=wanted, before=None, refusals=(blocked[wanted.vmid],))
        if wanted.vmid in blocked
        else plan_one(
            wanted, actual.ours.get(wanted.vmid), reboot=reboot, away=away.get(wanted.vmid)
        )
        for wanted in desired.containers
    ]
    differing = tuple(step for step in steps if step.moves or step.refusals)
    alike = {step.wanted.vmid for step in steps} - {step.wanted.vmid for step in differing}
    aside = {wanted.vmid for wanted in desired.containers}
    found_copies = copies(desired, actual.ours.values(), there=actual.ours)
    aside |= {copy.found.container.vmid for copy in found_copies}
    return Plan(
        steps=differing,
        matching=tuple(actual.ours[vmid] for vmid in sorted(alike)),
        orphans=tuple(f for vmid, f in sorted(actual.ours.items()) if vmid not in aside),
        copies=found_copies,
        unread={vmid: why for vmid, why in actual.unread.items() if vmid not in blocked},
        storages=storages_used(desired, actual),
        ha=plan_ha(desired, actual, steps),
    )


def storages_used(desired: Desired, actual: Actual) -> tuple[Storage, ...]:
    """Where the disks of the inventory's containers are, or else shall be."""
    used = {
        ((actual.ours.get(wanted.vmid) or wanted).container.node, storage)
        for wanted in desired.containers
        for storage in wanted.container.storages
    }
    return tuple(storage for storage in actual.storages if (storage.node, storage.name) in used)


def plan_one(
    wanted: Wanted,
    before: Found | None,
    *,
    reboot: bool = False,
    late: tuple[Pending, ...] = (),
    away: tuple[str, str] | None = None,
) -> Step:
    """Return everything that differs in one container, and the moves that remove it, in order.

    `late` was written before, and the container that runs has not taken it: no API call tells.
    `away` is why it cannot be brought to its node, and a way out.
    """
    if before is None:
        new = numbered(wanted.container)
        return Step(
            wanted=wanted,
            before=None,
            changes=changes_between({}, flatten(new)),
            moves=(Create(container=new), Start()),
        )
    if before.is_template:
        return Step(wanted=wanted, before=before, refusals=(template_refusal(wanted, before),))
    after = aligned(wanted.container, before)
    changes = changes_between(flatten(before.container), flatten(after))
    migrate, stays = migration(wanted, before, after, away=away, reboot=reboot)
    along = moved_along(changes, migrate)
    changes = tuple(change for change in changes if change not in along)
    refused = stays + refusals(changes, before, after)
    kept = tuple(change for change in changes if key_of(change.field) not in before.denied)
    kept = tuple(change for change in kept if change not in {r.change for r in refused})
    configure = configuration(before, after, {change.field for change in kept})
    touched = configure.keys if configure else ()
    waits = tuple(entry for entry in before.pending if entry.key not in touched)
    waits += late + taken_late(kept, before, after)
    status = () if before.is_running else (Change("status", before.status, "running"),)
    node = (Change("node", before.container.node, migrate.node),) if migrate else ()
    return Step(
        wanted=wanted,
        before=before,
        changes=node + along + kept + leftovers(configure, kept, before) + status,
        refusals=refused,
        moves=moves(before, after, configure, kept, migrate, reboot=reboot and bool(waits)),
        pending=waits,
    )


# ---------------------------------------------------------------- whose it is


def check_ownership(desired: Desired, actual: Actual) -> None:
    """Raise PlanError, naming all of them, for what must not be touched or cannot be looked at."""
    found = obstacles(desired, actual).values()
    if found:
        ways = "; ".join(dict.fromkeys(way for _, way in found))
        raise PlanError(
            "\n  ".join(problem for problem, _ in found), next_step=f"{ways}; nothing was touched"
        )


def obstacles(desired: Desired, actual: Actual) -> dict[int, tuple[str, str]]:
    """By VMID why nothing is done with a wanted container, and a way out."""
    away = kept_away(desired, actual)
    found = {w.vmid: obstacle(w, actual, away.get(w.vmid)) for w in desired.containers}
    return {vmid: entry for vmid, entry in found.items() if entry is not None}


def obstacle(
    wanted: Wanted, actual: Actual, away: tuple[str, str] | None
) -> tuple[str, str] | None:
    vmid, host = wanted.vmid, wanted.host
    other = "choose a free lxc_vmid in inventory/"
    adopt = f"make adopt NAME={host} VMID={vmid}"
    if vmid in actual.unread:
        way = "see 'make doctor' (VM.Audit on it, when it is ours), then run this again"
        return f"VMID {vmid} ({host}): {actual.unread[vmid]}", way
    if vmid in actual.foreign:
        guest = actual.foreign[vmid]
        if guest.kind == "container" and guest.mark is None and guest.lock != "create":
            other += f", or take the container over: {adopt}"
        return stranger(wanted, guest), other
    if vmid in actual.ours:
        found = actual.ours[vmid]
        says = f"VMID {vmid} is {found.host} of this environment, the inventory says {host}"
        other += f" for {host}, {BESIDE}; or, when it is {host}, on {found.container.node}, "
        other += f"as root: pct set {vmid} --delete description, then {adopt}"
        return (says, other) if found.host != host else None
    return away


def copies(desired: Desired, ours: Iterable[Found], *, there: Collection[int]) -> tuple[Copy, ...]:
    """What carries a name of the inventory under a VMID that nothing in the inventory has.

    `there` are the VMIDs that exist.
    """
    by_host = {wanted.host: wanted for wanted in desired.containers}
    vmids = {wanted.vmid for wanted in desired.containers}
    return tuple(
        Copy(found=found, wanted=wanted, is_original_there=wanted.vmid in there)
        for found in sorted(ours, key=lambda found: found.container.vmid)
        if found.container.vmid not in vmids and (wanted := by_host.get(found.host))
    )


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


def aligned(wanted: Container, before: Found) -> Container:
    """Give wanted devices the keys of those they match, else free ones; MACs and volumes are kept.

    An interface matches by its name in the container, a mount by its path: the place in the
    inventory's list means nothing, and what is not steered here (the node, an unknown template)
    is taken over. A device that somebody has told to go is there until the next start.
    """
    found, now = before.container, before.current or before.container
    nic_keys = keys_for(
        [nic.name for nic in wanted.nics],
        [(nic.name, nic.key) for nic in (*found.nics, *now.nics)],
        "net",
    )
    mount_keys = keys_for(
        [mount.path for mount in wanted.mounts],
        [(mount.path, mount.key) for mount in (*found.mounts, *now.mounts)],
        "mp",
    )
    nics = {nic.key: nic for nic in (*found.nics, *now.nics)}
    mounts = {mount.key: mount for mount in (*found.mounts, *now.mounts)}
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
        if name in wanted and key not in existing.values():
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
    denied = sorted({key_of(change.field) for change in changes} & before.denied)
    found = (
        refusal(change, before, after)
        for change in changes
        if key_of(change.field) not in before.denied
    )
    return (
        *(entry for entry in found if entry is not None),
        *(network_refusal(key, before, after) for key in denied),
    )


def template_refusal(wanted: Wanted, before: Found) -> Refusal:
    return Refusal(
        Change("status", "template", "running"),
        f"VMID {wanted.vmid} is a template, which never runs",
        f"choose another lxc_vmid for {wanted.host}, or on {before.container.node}, as root, when "
        f"nothing in it is needed: pct destroy {wanted.vmid}",
    )


def network_refusal(key: str, before: Found, after: Container) -> Refusal:
    """Proxmox asks SDN.Use of the NIC's old network too (pve-container LXC.pm)."""

    def shown(nics: Iterable[Nic]) -> str | None:
        return next((render_nic(nic) for nic in nics if nic.key == key), None)

    new = shown(after.nics)
    change = f"--{key} {shlex.quote(new)}" if new else f"--delete {key}"
    return Refusal(
        Change(key, shown((before.current or before.container).nics), new),
        "the token may not use the network that it is on",
        f"on {before.container.node}, as root: pct set {after.vmid} {change}",
    )


def refusal(change: Change, before: Found, after: Container) -> Refusal | None:
    host = after.hostname
    rebuild = f"make backup (its data is lost otherwise), make destroy NAMES={host}, make provision"
    rebuild += f"; while people work, {BESIDE}"
    device, _, name = change.field.partition(".")
    if change.field in {"template", "unprivileged", "rootfs.storage"}:
        return Refusal(change, REBUILD, rebuild)
    if change.field == "rootfs.size":
        has = before.container.disk.size_bytes
        keep = f"set lxc_disk_gib: {render_gib(has)}, or rebuild it smaller: {rebuild}"
        shrinks = after.disk.size_bytes < has
        return Refusal(change, "a disk cannot shrink", keep) if shrinks else None
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
    old = volumes(before).get(key)
    new = next((mount for mount in after.mounts if mount.key == key), None)
    node, vmid = before.container.node, before.container.vmid
    if old is not None and new is None:
        detach = f"detach it by hand on {node}: pct set {vmid} --delete {key}"
        detach += "; or add it to lxc_mounts" * bool(old.storage)
        return Refusal(change, "a volume is never detached by itself", detach)
    grows = old is not None and new is not None and change.field == f"{key}.size"
    # What waits and is not wanted is reverted, which protection lets through.
    stays = before.current and by_key(before.current).get(key) == by_key(after).get(key)
    if before.container.protection and not (grows or stays):
        unlock = "apply twice: the first time lifts the protection"
        if after.protection:
            unlock = f"set lxc_protection: false, {unlock}; then protect {vmid} again"
        return Refusal(change, "protection forbids changes of volumes", unlock)
    if old is None or new is None:
        return None
    if old.storage != new.storage:
        reason = "a volume is never moved by itself"
        way = f"move it by hand on {node}: pct move-volume {vmid} {key} {new.storage}"
        if not old.storage:
            reason = "a bind mount or device is never replaced by itself"
            way = f"what is in it copied, on {node}, as root: pct set {vmid} --delete {key}"
        return Refusal(change, reason, way)
    if new.size_bytes < old.size_bytes:
        larger = f"set size_gib: {render_gib(old.size_bytes)} for it in lxc_mounts"
        return Refusal(change, "a volume cannot shrink", larger)
    return None


# ---------------------------------------------------------------- another node


def migration(
    wanted: Wanted, before: Found, after: Container, *, away: tuple[str, str] | None, reboot: bool
) -> tuple[Migrate | None, tuple[Refusal, ...]]:
    """What brings a container to its `lxc_node`, or why it stays where it is.

    No container moves while it runs (pve-container API2/LXC.pm): that takes a restart.
    """
    node, here = wanted.container.node, before.container.node
    if node == here:
        return None, ()
    change = Change("node", here, node)
    if away:
        return None, (Refusal(change, *away),)
    if before.is_running and not reboot:
        way = f"make provision REBOOT=1 moves it; to leave it there, set lxc_node: {here}"
        return None, (Refusal(change, "a running container moves by a restart", way),)
    return Migrate(node=node, storages=storages_between(before, after)), ()


def storages_between(before: Found, after: Container) -> tuple[tuple[str, str], ...]:
    """Where disks go that shall lie elsewhere; nothing when Proxmox has no word for it.

    It knows one new storage for all disks of an old one.
    """
    wanted = {mount.key: mount.storage for mount in after.mounts}
    pairs = {(before.container.disk.storage, after.disk.storage)}
    pairs |= {(m.storage, wanted.get(k, m.storage)) for k, m in volumes(before).items()}
    is_clear = len({old for old, _ in pairs}) == len(pairs)
    return tuple(sorted((old, new) for old, new in pairs if old != new)) if is_clear else ()


def moved_along(changes: Iterable[Change], migrate: Migrate | None) -> tuple[Change, ...]:
    """The storages that change with the node: nothing else changes them."""
    taken = migrate.storages if migrate else ()
    return tuple(c for c in changes if c.field.endswith(".storage")
                 and (c.before, c.after) in taken)  # fmt: skip


# ---------------------------------------------------------------- moves


def moves(  # noqa: PLR0913
    before: Found,
    after: Container,
    configure: Configure | None,
    changes: Iterable[Change],
    migrate: Migrate | None,
    *,
    reboot: bool,
) -> tuple[Move, ...]:
    """Growing disks first, then configuration, then the node, then running state.

    What waits for a restart carries the disk's size of when it was written. A stopped container
    takes everything at once, so a start needs no reboot after it; nor does what was moved.
    """
    steps: list[Move] = [
        Resize(disk=disk, size=render_size(size), digest=before.digest)
        for disk, size in growing(before, after, {change.field for change in changes})
    ]
    if configure is not None:
        steps.append(configure)
    if migrate is not None:
        steps.append(migrate)
        reboot = False
    if not before.is_running:
        steps.append(Start())
    elif reboot:
        steps.append(Reboot())
    return tuple(steps)


# Field of the report -> key of the API, where they differ.
API_KEYS = {
    "memory_mib": "memory",
    "swap_mib": "swap",
    "note": "description",
    "mark": "description",
}


def key_of(field: str) -> str:
    return API_KEYS.get(field, field.partition(".")[0])


def configuration(before: Found, after: Container, changed: AbstractSet[str]) -> Configure | None:
    """One PUT for everything but disks' sizes; a device is always sent whole, with its MAC.

    What waits and is not wanted is reverted. When something else is to be deleted beneath it, that
    is the next PUT's: Proxmox takes one or the other of a key.
    """
    if not (changed or before.pending):
        return None
    wanted: dict[str, str | int] = {
        **render_simple(after),
        **{nic.key: render_nic(nic) for nic in after.nics},
        **{
            # The size to write beside a volume is what it has; a new one's, what it shall have.
            mount.key: render_mount(
                replace(mount, size_bytes=volumes(before).get(mount.key, mount).size_bytes)
            )
            for mount in after.mounts
        },
    }
    keys = {key_of(name) for name in changed if not is_growth(name, before)}
    waiting = {entry.key: entry for entry in before.pending} if before.current else {}
    now, want = by_key(before.current or before.container), by_key(after)
    as_wanted = {key for key in waiting if now.get(key) == want.get(key)}
    revert = {key for key in as_wanted if key in keys or key in wanted} - before.denied
    to_set = {key: wanted[key] for key in sorted(keys - revert) if wanted.get(key, "") != ""}
    covered = {key for key in waiting if waiting[key].after is not None} & keys - to_set.keys()
    revert |= covered
    to_delete = tuple(sorted(keys - to_set.keys() - revert))
    if not (to_set or to_delete or revert):
        return None
    return Configure(
        set=to_set, delete=to_delete, revert=tuple(sorted(revert)), digest=before.digest
    )


def by_key(container: Container) -> dict[str, dict[str, Value]]:
    """The fields of each key of the API as data; but the size of a disk, which is no setting."""
    keys: dict[str, dict[str, Value]] = {}
    for name, value in flatten(container).items():
        if value is not None and not name.endswith(".size"):
            keys.setdefault(key_of(name), {})[name] = value
    return keys


def leftovers(
    configure: Configure | None, kept: Iterable[Change], before: Found
) -> tuple[Change, ...]:
    """What waits although all is as wanted: somebody changed it, and changed it back."""
    shown = {key_of(change.field) for change in kept}
    return tuple(
        Change(f"{WAITING}{entry.key}", entry.after, None)
        for entry in before.pending
        if configure and entry.key in configure.revert and entry.key not in shown
    )


def taken_late(changes: Iterable[Change], before: Found, after: Container) -> tuple[Pending, ...]:
    """What is written at once, and comes into no NIC that stays plugged (LXC.pm, update_net)."""
    if not before.is_running:
        return ()
    plugged = {(nic.key, nic.name, nic.hwaddr) for nic in (before.current or before.container).nics}
    stays = {nic.key for nic in after.nics if (nic.key, nic.name, nic.hwaddr) in plugged}
    return tuple(
        Pending(key=c.field, before=text_or_none(c.before), after=text_or_none(c.after))
        for c in changes
        if c.field.partition(".")[2] in {"mtu", "trunks"} and key_of(c.field) in stays
    )


def text_or_none(value: Value) -> str | None:
    return None if value is None else str(value)


def volumes(before: Found) -> dict[str, Mount]:
    """Every volume that is there, also one that somebody has told to go at the next start."""
    now = before.current or before.container
    return {mount.key: mount for mount in (*now.mounts, *before.container.mounts)}


def is_growth(field: str, before: Found) -> bool:
    """True for the size of a volume that exists: resize's business."""
    key, _, name = field.partition(".")
    return name == "size" and (key == "rootfs" or key in volumes(before))


def growing(before: Found, after: Container, changed: AbstractSet[str]) -> list[tuple[str, int]]:
    """Disks to grow, with their new sizes in bytes."""
    has = {"rootfs": before.container.disk.size_bytes}
    has |= {key: mount.size_bytes for key, mount in volumes(before).items()}
    disks = [("rootfs", after.disk.size_bytes), *((m.key, m.size_bytes) for m in after.mounts)]
    return [
        (key, size) for key, size in disks if f"{key}.size" in changed and size > has.get(key, size)
    ]


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
    wait = (
        "" if found.lock in {"create", "destroyed"} else "wait for the task that holds the lock; "
    )
    unlock = f"on {found.container.node}: pct unlock {found.container.vmid}"
    return f"{wait}when no task of it runs, {unlock}"


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
