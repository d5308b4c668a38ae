"""What the cluster shows now. Reads only; at most 2n + 6 requests for n containers, in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from provision.desired import Desired, environment_tag
from provision.errors import ApiError, PlanError, StepError, UnknownOutcomeError
from provision.model import Actual, Foreign, Found, Mark
from provision.proxmox import Proxmox, is_not_found
from provision.storages import parse_storage
from provision.wire import parse_bool, parse_found, parse_tags

PARALLEL_READS = 16
K = TypeVar("K")
V = TypeVar("V")


def read(api: Proxmox, desired: Desired) -> Actual:
    """Return our containers wherever they run, and strangers on the VMIDs that we want.

    A container is looked up by its VMID: a colleague or HA may have moved it. Raises PlanError when
    it lies on a node that is offline. Orphans and copies are found by our tag or a host name; one
    of them that cannot be read keeps nothing back.
    """
    resources = list(api.get("cluster/resources"))
    guests = {int(item["vmid"]): item for item in resources if item.get("vmid") is not None}
    wanted = {container.vmid for container in desired.containers}
    tag = environment_tag(desired.environment)
    hosts = {container.host for container in desired.containers}
    beside = {
        vmid
        for vmid, item in guests.items()
        if tag in parse_tags(str(item.get("tags", ""))) or str(item.get("name")) in hosts
    } - wanted
    chosen = {vmid: guests[vmid] for vmid in sorted(wanted & guests.keys() | beside)}
    check_nodes(resources, {v: item for v, item in chosen.items() if v in wanted}, desired)
    offline = {str(i["node"]) for i in resources if is_offline_node(i)}
    containers = {vmid: item for vmid, item in chosen.items() if item.get("type") == "lxc"}
    # Those beside are content with the status in /cluster/resources, ten seconds old.
    statuses = read_statuses(
        api, {str(item["node"]) for v, item in containers.items() if v in wanted}
    )

    def look(vmid: int) -> Found | str | None:
        node = str(containers[vmid]["node"])
        if node in offline:
            return f"it lies on {node}, which is offline"
        try:
            return read_one(api, vmid, node, {**containers[vmid], **statuses.get(vmid, {})})
        except (ApiError, PlanError, UnknownOutcomeError) as error:
            if vmid in wanted:
                raise
            return error.problem

    looked = in_parallel(look, containers)
    found = {vmid: entry for vmid, entry in looked.items() if not isinstance(entry, str)}
    unread = {vmid: entry for vmid, entry in looked.items() if isinstance(entry, str)}
    storages = tuple(
        parse_storage(item, str(item["node"]))
        for item in resources
        if item.get("type") == "storage" and "node" in item
    )
    return replace(sort_out(found, chosen, wanted, desired), unread=unread, storages=storages)


def read_one(api: Proxmox, vmid: int, node: str, status: Mapping[str, Any]) -> Found | None:
    """Return one container, None when gone. `config` holds pending values: we compare those."""
    try:
        config = api.get(f"nodes/{node}/lxc/{vmid}/config")
        pending = api.get(f"nodes/{node}/lxc/{vmid}/pending")
    except ApiError as error:
        if is_not_found(error):
            return None
        raise
    try:
        return parse_found(vmid, node, config=config, pending=pending, status=status)
    except ValueError as error:
        raise PlanError(
            f"the configuration of VMID {vmid} on {node} cannot be understood: {error}",
            next_step=f"on {node}: pct config {vmid}; correct it there",
        ) from error


def read_again(api: Proxmox, vmid: int, node: str) -> Found | None:
    """Return one container with its own status: /cluster/resources lags ten seconds behind."""
    try:
        status = dict(api.get(f"nodes/{node}/lxc/{vmid}/status/current"))
    except ApiError as error:
        # Rights on /vms/ID and in a pool begin and end with the container: "not allowed" then.
        is_gone = error.status == HTTPStatus.FORBIDDEN and is_free(api, vmid)
        if is_gone or is_not_found(error):
            return None
        raise
    ha = status.get("ha") or {}
    status["hastate"] = "managed" if parse_bool(ha.get("managed", 0)) else None
    return read_one(api, vmid, node, status)


def is_free(api: Proxmox, vmid: int) -> bool:
    """True unless some guest has it, those included that our token may not see."""
    try:
        api.get("cluster/nextid", vmid=vmid)
    except ApiError as error:
        if "already exists" not in error.text:
            raise
        return False
    return True


def check_still_ours(api: Proxmox, found: Found) -> Found:
    """Read it again, for a question may have stood for hours.

    Raises StepError when its VMID is somebody else's now, or it is gone from its node.
    """
    container = found.container
    now = read_again(api, container.vmid, container.node)
    if now is None or now.container.mark != container.mark:
        raise not_ours(found)
    return now


def not_ours(found: Found) -> StepError:
    container = found.container
    return StepError(
        f"{found.host} (VMID {container.vmid}) is not ours any more on {container.node}",
        next_step="run this again, and look at what it shows; nothing of it was touched",
    )


def node_of(api: Proxmox, vmid: int) -> str | None:
    """The node on which a guest lies now, None when there is no such guest."""
    for item in api.get("cluster/resources", type="vm"):
        if int(item.get("vmid", 0)) == vmid:
            return str(item["node"])
    return None


def read_statuses(api: Proxmox, nodes: Iterable[str]) -> dict[int, dict[str, Any]]:
    """Live status of every container on these nodes, one request a node."""
    lists = in_parallel(lambda node: api.get(f"nodes/{node}/lxc"), nodes)
    return {int(item["vmid"]): dict(item) for items in lists.values() for item in items}


def in_parallel(work: Callable[[K], V], keys: Iterable[K]) -> dict[K, V]:
    keys = list(keys)
    if not keys:
        return {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL_READS, len(keys))) as pool:
        return dict(zip(keys, pool.map(work, keys), strict=True))


def check_nodes(
    resources: Iterable[Mapping[str, Any]],
    chosen: Mapping[int, Mapping[str, Any]],
    desired: Desired,
) -> None:
    """Raise PlanError for containers on offline nodes: they exist, and must not be made twice."""
    nodes = {str(i["node"]): i.get("status") for i in resources if i.get("type") == "node"}
    lost = [
        f"VMID {vmid} lies on {item['node']}, which is offline"
        for vmid, item in chosen.items()
        if nodes.get(str(item["node"])) == "offline"
    ]
    for node in sorted({w.container.node for w in desired.containers if w.vmid not in chosen}):
        if nodes.get(node) == "offline":
            lost.append(f"lxc_node {node} is offline")
        elif nodes and node not in nodes:
            lost.append(f"lxc_node {node} is no node of this cluster: {', '.join(sorted(nodes))}")
    if lost:
        raise PlanError(
            "\n  ".join(lost),
            next_step="bring the node back, or name another one in lxc_node; nothing was touched",
        )


def is_offline_node(item: Mapping[str, Any]) -> bool:
    """In /cluster/resources. "unknown" is one whose statistics are late, not one that is down."""
    return item.get("type") == "node" and item.get("status") == "offline"


def sort_out(
    found: Mapping[int, Found | None],
    chosen: Mapping[int, Mapping[str, Any]],
    wanted: Iterable[int],
    desired: Desired,
) -> Actual:
    """Ours carry our deployment and environment; strangers matter on our VMIDs only."""
    ours = {
        vmid: f for vmid, f in found.items() if f is not None and is_ours(f.container.mark, desired)
    }
    foreign = {
        vmid: foreign_guest(vmid, item, found.get(vmid))
        for vmid, item in chosen.items()
        if vmid in set(wanted)
        and vmid not in ours
        and (vmid not in found or found[vmid] is not None)
    }
    return Actual(ours=ours, foreign=foreign)


def is_ours(mark: Mark | None, desired: Desired) -> bool:
    return (
        mark is not None
        and mark.deployment == desired.deployment
        and mark.environment == desired.environment
    )


def foreign_guest(vmid: int, item: Mapping[str, Any], found: Found | None) -> Foreign:
    return Foreign(
        vmid=vmid,
        node=str(item["node"]),
        kind="container" if item.get("type") == "lxc" else "virtual machine",
        name=str(item.get("name") or f"guest {vmid}"),
        lock=found.lock if found else None,
        mark=found.container.mark if found else None,
    )
