"""High availability as the inventory says it (`lxc_ha`): what differs, and its calls. Pure.

Proxmox VE 9 has resources and rules, 8 resources and groups (pve-ha-manager API2/HA/*.pm). HA
starts a container of a lost node on another where its disks are too: on shared storage, that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from provision.desired import MANAGED_TAG, Desired
from provision.model import Actual, Change, Ha, HaEntry, HaStep, Refusal, Step, Wanted
from provision.placement import services

# Name of the parameter that names an entry.
KEYS = {"resources": "sid", "rules": "rule", "groups": "group"}
# Lists in which the order means nothing.
LISTS = ("resources", "nodes")
NO_SHARED = "{} is no shared storage: HA could start it on no other node"


def is_declared(desired: Desired) -> bool:
    return any(wanted.ha is not None for wanted in desired.containers)


def entries(kind: str, listed: Iterable[Mapping[str, object]]) -> dict[str, dict[str, str]]:
    usual = {"state": "started"} if kind == "resources" else {}
    return {
        str(item[KEYS[kind]]): usual
        | {key: normal(key, str(value)) for key, value in item.items() if key != KEYS[kind]}
        for item in listed
    }


def normal(key: str, value: str) -> str:
    """One spelling: lists sorted, a node without the priority 0, "enabled" is "started"."""
    if key in LISTS:
        parts = (part.removesuffix(":0") for part in value.replace(";", ",").split(","))
        return ",".join(sorted(part.strip() for part in parts if part.strip()))
    return "started" if (key, value) == ("state", "enabled") else value


# ---------------------------------------------------------------- what differs


def sid_of(wanted: Wanted) -> str:
    return f"ct:{wanted.vmid}"


def prefix(desired: Desired) -> str:
    return f"{MANAGED_TAG}-{desired.environment}-"


def plan_ha(desired: Desired, actual: Actual, steps: Iterable[Step]) -> tuple[HaStep, ...]:
    """Return what differs, in the order in which it must be done; nothing where nobody asks."""
    if actual.ha_problem:
        change = Change("HA", None, None)
        return (HaStep(subject="HA", refusal=Refusal(change, *actual.ha_problem)),)
    ha = actual.ha
    if ha is None:
        return ()
    blocked = {step.wanted.host for step in steps if step.is_blocked}
    # Its rule would have HA restart it where it is not brought.
    staying = {s.wanted.host for s in steps if any(r.change.field == "node" for r in s.refusals)}
    refused = list(refusals(desired.containers, actual))
    names = {step.subject for step in refused}
    managed = [
        w
        for w in desired.containers
        if w.ha and subject("resources", sid_of(w)) not in names
        # What cannot be looked at, such as on a lost node, stays what it is to HA.
        if w.host not in blocked or sid_of(w) in ha.resources
    ]
    entries_of = wanted_entries(desired, actual, ha, managed)
    goal: dict[tuple[str, str], HaEntry] = {(e.kind, e.name): e for e in entries_of}
    unasked = {wanted.host for wanted in desired.containers if wanted.ha is None}
    kept = {("rules", rule_of(desired, host)) for host in staying | unasked}
    differing = [difference(entry, ha) for key, entry in goal.items() if key not in kept]
    gone = [
        HaStep(
            subject=subject(kind, name), method="DELETE", path=f"cluster/ha/{kind}/{name}",
            is_early=kind != "groups",
        )
        for kind, name in unwanted(desired, actual, ha, goal)
        if (kind, name) not in goal.keys() | kept
    ]  # fmt: skip
    return (*gone, *(step for step in differing if step), *refused)


def refusals(containers: Iterable[Wanted], actual: Actual) -> Iterator[HaStep]:
    """Proxmox accepts what lies on a node's own storage, and leaves it down with its node."""
    for wanted in containers:
        if wanted.ha and (local := local_storages(wanted, actual)):
            yield HaStep(
                subject=f"HA {sid_of(wanted)}",
                refusal=Refusal(
                    Change(f"HA {sid_of(wanted)}", None, "started"),
                    NO_SHARED.format(", ".join(local)),
                    f"put {wanted.host} on a shared one (lxc_storage), or leave lxc_ha out for it; "
                    "what helps without: more containers of its service, on other nodes",
                ),
            )


def local_storages(wanted: Wanted, actual: Actual) -> list[str]:
    """Of its storages those that the API calls not shared."""
    known = {storage.name: storage.is_shared for storage in actual.storages}
    return sorted(name for name in wanted.container.storages if known.get(name) is False)


def rule_of(desired: Desired, host: str) -> str:
    return f"{prefix(desired)}{host}"


def wanted_entries(
    desired: Desired, actual: Actual, ha: Ha, managed: list[Wanted]
) -> Iterator[HaEntry]:
    """Groups before the resources that name them, resources before the rules about them."""
    if ha.groups is not None:
        for node in sorted({w.container.node for w in managed}):
            yield HaEntry(kind="groups", name=f"{prefix(desired)}{node}", values={"nodes": node})
    for wanted in managed:
        values = {"state": "started"}
        if ha.groups is not None:
            values["group"] = f"{prefix(desired)}{wanted.container.node}"
        yield HaEntry(kind="resources", name=sid_of(wanted), values=values)
    if ha.groups is not None:
        return
    for wanted in managed:
        near = {"type": "node-affinity", "resources": sid_of(wanted)}
        yield HaEntry(
            kind="rules",
            name=rule_of(desired, wanted.host),
            values={**near, "nodes": wanted.container.node},
        )
    for group, members in services(desired):
        sids = sorted(sid_of(member) for member in members if member in managed)
        # More than there are nodes could never be kept: Proxmox refuses such a rule.
        if 1 < len(sids) <= len(actual.nodes):
            yield HaEntry(
                kind="rules",
                name=f"{prefix(desired)}{group}-apart",
                values={
                    "type": "resource-affinity",
                    "affinity": "negative",
                    "resources": ",".join(sids),
                },
            )


def unwanted(
    desired: Desired, actual: Actual, ha: Ha, goal: Mapping[tuple[str, str], HaEntry]
) -> Iterator[tuple[str, str]]:
    """What may go: of ours alone, rules and groups before the resources they are about."""
    ours = {sid_of(w) for w in desired.containers} | {f"ct:{vmid}" for vmid in actual.ours}
    for name, rule in (ha.rules or {}).items():
        about = {sid for sid in rule.get("resources", "").split(",") if sid}
        # Another environment's name may begin with ours.
        if name.startswith(prefix(desired)) and about <= ours:
            yield "rules", name
    for wanted in desired.containers:
        if wanted.ha is False and sid_of(wanted) in ha.resources and wanted.vmid in actual.ours:
            yield "resources", sid_of(wanted)
    used = {
        (goal[key].values if (key := ("resources", sid)) in goal else found).get("group")
        for sid, found in ha.resources.items()
    }
    for node in actual.nodes:
        name = f"{prefix(desired)}{node}"
        if name in (ha.groups or {}) and name not in used:
            yield "groups", name


def difference(entry: HaEntry, ha: Ha) -> HaStep | None:
    """What makes an entry of HA what it shall be, None when it is."""
    found = (ha.of(entry.kind) or {}).get(entry.name)
    path = f"cluster/ha/{entry.kind}"
    name = subject(entry.kind, entry.name)
    about = {sid for sid in entry.values.get("resources", entry.name).split(",") if sid}
    is_early = entry.kind == "groups" or about <= ha.resources.keys()
    if found is None:
        changes = tuple(Change(key, None, value) for key, value in entry.values.items())
        params = {KEYS[entry.kind]: entry.name, **entry.values}
        return HaStep(
            subject=name, method="POST", path=path, params=params, changes=changes,
            is_early=is_early,
        )  # fmt: skip
    changes = tuple(
        Change(key, found.get(key), value)
        for key, value in entry.values.items()
        if found.get(key) != value
    )
    if not changes:
        return None
    changed = {change.field: str(change.after) for change in changes}
    # The schema of a rule's update is chosen by its type.
    kind = {"type": entry.values["type"]} if "type" in entry.values else {}
    return HaStep(
        subject=name, method="PUT", path=f"{path}/{entry.name}", params={**kind, **changed},
        changes=changes, is_early=is_early,
    )  # fmt: skip


def subject(kind: str, name: str) -> str:
    return f"HA {name}" if kind == "resources" else f"HA {kind.removesuffix('s')} {name}"
