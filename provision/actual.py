"""What the cluster shows now.

Reads only, in parallel: at most n + 6 requests for n containers that are there, one for each that
is not, and one for each network whose use has to be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from provision.desired import Desired, environment_tag
from provision.errors import ApiError, OperatorError, PlanError, UnknownOutcomeError
from provision.ha import entries, is_declared
from provision.model import Actual, Foreign, Found, Ha, Mark, Wanted, out_of_reach
from provision.proxmox import Proxmox, held_on, is_not_found
from provision.storages import parse_storage
from provision.wire import network_paths, parse_bool, parse_found, parse_tags, unmanaged

PARALLEL_READS = 16
HIDDEN = "it is taken by a guest that the token cannot see"
K = TypeVar("K")
V = TypeVar("V")


def read(api: Proxmox, desired: Desired, *, all_fields: bool = False) -> Actual:
    """Return our containers wherever they run, and strangers on the VMIDs that we want.

    A container is looked up by its VMID: a colleague or HA may have moved it. Orphans and copies
    are found by our tag or a host name. What cannot be read keeps nothing else back. With
    `all_fields` a second request for each tells what the inventory does not steer.
    """
    resources = list(api.get("cluster/resources"))
    guests = {int(item["vmid"]): item for item in resources if item.get("vmid") is not None}
    by_vmid = {container.vmid: container for container in desired.containers}
    wanted = set(by_vmid)
    tag = environment_tag(desired.environment)
    hosts = {container.host for container in desired.containers}
    beside = {
        vmid
        for vmid, item in guests.items()
        if tag in parse_tags(str(item.get("tags", ""))) or str(item.get("name")) in hosts
    } - wanted
    chosen = {vmid: guests[vmid] for vmid in sorted(wanted & guests.keys() | beside)}
    nodes = {str(i["node"]): str(i.get("status")) for i in resources if i.get("type") == "node"}
    containers = {vmid: item for vmid, item in chosen.items() if item.get("type") == "lxc"}
    # Those beside are content with the status in /cluster/resources, ten seconds old.
    near = {str(item["node"]) for vmid, item in containers.items() if vmid in wanted}
    statuses = read_statuses(api, [node for node in near if not out_of_reach(node, nodes)])

    def look(vmid: int) -> Found | str | None:
        node = str(containers[vmid]["node"])
        if away := out_of_reach(node, nodes):
            return f"it lies on {node}, which {away}"
        try:
            found = read_one(api, vmid, node, {**containers[vmid], **statuses.get(vmid, {})})
            if found and all_fields:
                found = with_unmanaged(api, found)
            return with_denied(api, found, by_vmid[vmid]) if found and vmid in wanted else found
        except (ApiError, PlanError, UnknownOutcomeError) as error:
            return error.problem

    looked = in_parallel(look, containers)
    found = {vmid: entry for vmid, entry in looked.items() if not isinstance(entry, str)}
    unread = {vmid: entry for vmid, entry in looked.items() if isinstance(entry, str)}
    free = in_parallel(lambda vmid: is_free(api, vmid), wanted - guests.keys())
    homes = {vmid: by_vmid[vmid].container.node for vmid in free if not free[vmid]}
    # One of ours that is being created joins its pool, where our token sees it, at the end.
    hidden = {
        vmid: HIDDEN
        for vmid, node in homes.items()
        if out_of_reach(node, nodes) or not is_being_created(api, vmid, node)
    }
    if any(node_of(api, vmid) for vmid in hidden):
        # Made meanwhile, by another run.
        return read(api, desired, all_fields=all_fields)
    storages = tuple(
        parse_storage(item, str(item["node"]))
        for item in resources
        if item.get("type") == "storage" and "node" in item
    )
    sorted_out = sort_out(found, chosen, wanted, desired)
    found_ha, ha_problem = None, None
    if is_declared(desired):
        try:
            found_ha = read_ha(api)
        except ApiError as error:
            ha_problem = (error.problem, error.next_step)
    return replace(
        sorted_out, unread=unread | hidden, nodes=nodes, storages=storages, ha=found_ha,
        ha_problem=ha_problem,
    )  # fmt: skip


def read_ha(api: Proxmox) -> Ha:
    """What is configured. Needs Sys.Audit on /."""
    resources = entries("resources", api.get("cluster/ha/resources"))
    try:
        return Ha(resources=resources, rules=entries("rules", api.get("cluster/ha/rules")))
    except ApiError as error:
        # Proxmox VE 8 has groups instead.
        if error.status != HTTPStatus.NOT_IMPLEMENTED:
            raise
    return Ha(resources=resources, groups=entries("groups", api.get("cluster/ha/groups")))


def is_free(api: Proxmox, vmid: int) -> bool:
    """True unless some guest has it, those included that our token may not see."""
    try:
        api.get("cluster/nextid", vmid=vmid)
    except ApiError as error:
        if "already exists" not in error.text:
            raise
        return False
    return True


def read_one(api: Proxmox, vmid: int, node: str, status: Mapping[str, Any]) -> Found | None:
    """Return one container, None when gone.

    GET pending has what GET config has, its digest too, but for LXC's own keys (pve-guest-common
    GuestHelpers.pm, config_with_pending_array): one request, and nothing changes in between.
    """
    try:
        pending = api.get(f"nodes/{node}/lxc/{vmid}/pending")
    except ApiError as error:
        if is_not_found(error):
            return None
        raise
    config = {row["key"]: row["value"] for row in pending if "value" in row}
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


def with_unmanaged(api: Proxmox, found: Found) -> Found:
    path = f"nodes/{found.container.node}/lxc/{found.container.vmid}/config"
    return replace(found, unmanaged=unmanaged(api.get(path, current=1)))


def with_denied(api: Proxmox, found: Found, wanted: Wanted) -> Found:
    """With the NICs that are on a network which is not the inventory's, and not the token's."""
    usual = {network_paths(nic, wanted) for nic in wanted.container.nics}
    paths = {nic.key: network_paths(nic, wanted) for nic in (found.current or found.container).nics}
    denied = frozenset(
        key
        for key, each in paths.items()
        if each not in usual and any("SDN.Use" not in held_on(api, path) for path in each)
    )
    return replace(found, denied=denied) if denied else found


def is_being_created(api: Proxmox, vmid: int, node: str) -> bool:
    return task_under_way(api, vmid, node, "vzcreate") is not None


def task_under_way(api: Proxmox, vmid: int, node: str, kind: str) -> str | None:
    """The UPID of a container's task that has not ended, None when there is none."""
    tasks = api.get(f"nodes/{node}/tasks", source="active", vmid=vmid)
    running = (t for t in tasks if t.get("type") == kind and not t.get("endtime"))
    return next((str(task["upid"]) for task in running), None)


def check_still_ours(api: Proxmox, found: Found) -> Found:
    """Read it again, for a question may have stood for hours.

    Raises OperatorError when its VMID is somebody else's now, or it is gone from its node.
    """
    container = found.container
    now = read_again(api, container.vmid, container.node)
    if now is None or now.container.mark != container.mark:
        raise not_ours(found)
    return now


def not_ours(found: Found) -> OperatorError:
    container = found.container
    return OperatorError(
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

    def look(node: str) -> Sequence[Mapping[str, Any]]:
        try:
            statuses: Sequence[Mapping[str, Any]] = api.get(f"nodes/{node}/lxc")
        except (ApiError, UnknownOutcomeError):
            # What is wrong there shows with each of its containers.
            return ()
        return statuses

    lists = in_parallel(look, nodes)
    return {int(item["vmid"]): dict(item) for items in lists.values() for item in items}


def in_parallel(work: Callable[[K], V], keys: Iterable[K]) -> dict[K, V]:
    keys = list(keys)
    if not keys:
        return {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL_READS, len(keys))) as pool:
        return dict(zip(keys, pool.map(work, keys), strict=True))


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
        and (item.get("type") != "lxc" or found.get(vmid) is not None)
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
