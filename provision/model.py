"""The nouns of the pipeline. Frozen, no I/O; every quantity names its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Wait = Literal["ssh", "running", "none"]
Value = str | int | bool | None
# Where a container cannot become what is wanted of it.
BESIDE = 'a new host beside it (docs/operations.md, "Another container in the place of one")'


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Whose container this is. All three must match before anything of it is changed."""

    deployment: str
    environment: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network interface, `netN` in Proxmox.

    `key` is empty until plan.py has given it a number. `hwaddr` None means "whatever it has":
    Proxmox makes a new MAC on every change that does not carry one, so we always resend it.
    `other` holds what Proxmox knows and we do not steer (rate, link_down, trunks): seen, compared.
    """

    key: str = ""
    name: str
    bridge: str | None
    tag: int | None = None
    ip: str | None = None
    gateway: str | None = None
    mtu: int | None = None
    firewall: bool = False
    hwaddr: str | None = None
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The root file system. `volume` is Proxmox's name for it, None until it exists."""

    storage: str
    size_bytes: int
    volume: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One more volume, `mpN` in Proxmox, known by its path in the container."""

    key: str = ""
    path: str
    storage: str
    size_bytes: int
    backup_enabled: bool = False
    volume: str | None = None
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One storage on one node, by what it can do for containers. None: only its plugin knows."""

    name: str
    node: str
    type: str
    content: str
    is_active: bool
    is_shared: bool
    free_bytes: int
    can_snapshot: bool | None
    can_resize: bool | None
    is_thin: bool

    def takes(self, content: str) -> bool:
        return content in self.content.split(",")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One LXC container, as wanted or as found.

    `memory_mib` is what Proxmox calls `memory`: its schema says "MB" but the code multiplies by
    1024 * 1024 (pve-container, src/PVE/LXC/Config.pm).

    Proxmox forgets the template once the container exists, so it is noted in the description's
    block beside the mark; None when nobody noted it (an adopted container).
    """

    vmid: int
    node: str
    hostname: str
    template: str | None
    unprivileged: bool
    cores: int | None
    memory_mib: int
    swap_mib: int
    disk: Disk
    nics: tuple[Nic, ...]
    mounts: tuple[Mount, ...]
    features: tuple[tuple[str, str], ...]
    onboot: bool
    startup: str
    protection: bool
    tags: tuple[str, ...]
    nameserver: str
    searchdomain: str
    note: str
    mark: Mark | None

    @property
    def storages(self) -> frozenset[str]:
        """Those of its disks."""
        return frozenset({self.disk.storage, *(mount.storage for mount in self.mounts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A container as the inventory wants it, and what apply needs to know beyond its configuration.

    `jumps` are the host names of the containers that SSH can go through, the first that lives; none
    when it goes directly.
    """

    container: Container
    address: str
    jumps: tuple[str, ...]
    wait: Wait
    template_storage: str
    # The zone of SDN that the bridge lies in.
    sdn_zone: str = "localnetwork"
    # Whether HA shall have it; None: that is nobody's business here.
    ha: bool | None = None

    @property
    def host(self) -> str:
        return self.container.hostname

    @property
    def vmid(self) -> int:
        return self.container.vmid


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A change that waits for the container's next start. `after` None means it will be deleted.

    `before` is what it has now, None when it has none.
    """

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A container as the cluster shows it now.

    `container` is what it is after its next start, `current` what it is until then, None when that
    is the same. `denied` are the keys of NICs on a network that the token may not use. `unmanaged`
    are settings that the inventory has no word for, and that are not Proxmox's defaults; they are
    read where they are shown.
    """

    container: Container
    current: Container | None = None
    denied: frozenset[str] = frozenset()
    status: str
    digest: str
    lock: str | None = None
    pending: tuple[Pending, ...] = ()
    ha_managed: bool = False
    is_template: bool = False
    unmanaged: tuple[tuple[str, str], ...] = ()
    ostype: str = ""
    uptime_s: int = 0
    memory_used_bytes: int = 0
    disk_used_bytes: int = 0

    @property
    def is_running(self) -> bool:
        return self.status == "running"

    @property
    def host(self) -> str:
        """The host name in its mark; its own may have been changed by hand."""
        mark = self.container.mark
        return mark.host if mark else self.container.hostname


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A guest on one of our VMIDs that does not carry our mark: never touched."""

    vmid: int
    node: str
    kind: str
    name: str
    lock: str | None = None
    mark: Mark | None = None


Entries = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ha:
    """High availability as it is configured: rules (Proxmox VE 9) or groups (8), None without."""

    resources: Entries
    rules: Entries | None = None
    groups: Entries | None = None

    def of(self, kind: str) -> Entries | None:
        return {"resources": self.resources, "rules": self.rules, "groups": self.groups}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaEntry:
    """A resource, rule or group as it shall be; `values` are those that the inventory decides."""

    kind: Literal["resources", "rules", "groups"]
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What the cluster shows: our containers by VMID, and the strangers on VMIDs that we want.

    `unread` exist and could not be read: why, by VMID; those that we want, and those that look like
    ours. `nodes` are the cluster's with their status.
    """

    ours: Mapping[int, Found] = field(default_factory=dict)
    foreign: Mapping[int, Foreign] = field(default_factory=dict)
    unread: Mapping[int, str] = field(default_factory=dict)
    storages: tuple[Storage, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    # None where the inventory says nothing of it; or why it could not be read, and a way out.
    ha: Ha | None = None
    ha_problem: tuple[str, str] | None = None


def out_of_reach(node: str, nodes: Mapping[str, str]) -> str | None:
    """What is wrong with a node, None when nothing is, or when nobody knows."""
    if nodes.get(node) == "offline":
        return "is offline"
    if nodes and node not in nodes:
        return f"is no node of this cluster: {', '.join(sorted(nodes))}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Carries the mark of `wanted` under another VMID than the inventory's.

    A clone and a restore to another VMID keep it; what has it when `lxc_vmid` is changed, too.
    """

    found: Found
    wanted: Wanted
    is_original_there: bool


class Action(Enum):
    CREATE = "+"
    UPDATE = "~"
    REFUSE = "!"


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Refusal:
    """A difference that apply never removes by itself, why, and what the operator can do."""

    change: Change
    reason: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make the container."""

    container: Container


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Set and delete configuration keys. `digest` is that of the configuration we looked at.

    `revert` drops what waits for a restart: to delete a key leaves its waiting value in place.
    """

    set: Mapping[str, str | int] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    revert: tuple[str, ...] = ()
    digest: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.set, *self.delete, *self.revert)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Grow one disk to `size`, as Proxmox spells it."""

    disk: str
    size: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    """Move the container to another node, by a restart when it runs.

    `storages` are (old, new) of the disks that come to lie on another storage there.
    """

    node: str
    storages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Start the container."""


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the container cleanly, so that pending changes take effect."""


Move = Create | Configure | Resize | Migrate | Start | Reboot


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All that differs in one container. `before` is None when it does not exist yet.

    Blocked is what cannot be looked at, or must not be touched: its one refusal says why.
    """

    wanted: Wanted
    before: Found | None
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    moves: tuple[Move, ...] = ()
    pending: tuple[Pending, ...] = ()

    @property
    def action(self) -> Action:
        if not self.moves:
            return Action.REFUSE
        return Action.CREATE if self.before is None else Action.UPDATE

    @property
    def is_blocked(self) -> bool:
        return not self.moves and (self.before is None or self.before.is_template)


@dataclass(frozen=True, slots=True, kw_only=True)
class HaStep:
    """One call that brings HA to the inventory, or why there is none.

    `is_early`: it is about what HA has already, and goes before the containers' own moves.
    """

    subject: str
    method: Literal["POST", "PUT", "DELETE", ""] = ""
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    refusal: Refusal | None = None
    is_early: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What turns the cluster into the inventory: a step for each container that differs.

    `matching` are those that do not differ, `orphans` carry our mark and are not in the inventory.
    No step is about `copies` and `unread`.
    """

    steps: tuple[Step, ...] = ()
    matching: tuple[Found, ...] = ()
    orphans: tuple[Found, ...] = ()
    copies: tuple[Copy, ...] = ()
    unread: Mapping[int, str] = field(default_factory=dict)
    # Those that the inventory's containers use, and the token may see.
    storages: tuple[Storage, ...] = ()
    ha: tuple[HaStep, ...] = ()

    @property
    def has_moves(self) -> bool:
        return any(step.moves for step in self.steps) or any(step.method for step in self.ha)

    @property
    def has_refusals(self) -> bool:
        return any(s.refusals for s in self.steps) or any(s.refusal for s in self.ha)

    @property
    def has_blocked(self) -> bool:
        return any(step.is_blocked for step in self.steps)


@dataclass(frozen=True, slots=True)
class Event:
    """Something to show while it runs."""

    host: str
    text: str
