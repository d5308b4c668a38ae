"""On which node each container shall lie: no more of a service on one than must be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from provision.desired import Desired
from provision.model import Actual, Wanted, out_of_reach


def services(desired: Desired) -> Iterator[tuple[str, list[Wanted]]]:
    """Each service that more than one container does, with its containers."""
    by_host = {wanted.host: wanted for wanted in desired.containers}
    for group, hosts in desired.groups:
        if len(hosts) > 1:
            yield group, [by_host[host] for host in hosts]


def nodes_for(members: list[Wanted], actual: Actual) -> list[str]:
    """The nodes that are on and have every storage that the members' disks want."""
    wanted = {storage for member in members for storage in member.container.storages}
    there = {(storage.node, storage.name) for storage in actual.storages}
    return [
        node
        for node, status in sorted(actual.nodes.items())
        if status != "offline" and all((node, storage) in there for storage in wanted)
    ]


def crowded(desired: Desired, actual: Actual) -> dict[int, tuple[str, str]]:
    """By VMID, why a container is not put on its `lxc_node`, and a way out.

    What lies there already counts first, and stays.
    """
    found: dict[int, tuple[str, str]] = {}
    for group, members in services(desired):
        nodes = nodes_for(members, actual)
        if not nodes:
            continue
        most = -(-len(members) // len(nodes))
        here = sorted(members, key=lambda member: not is_there(member, actual))
        on: Counter[str] = Counter()
        for member in here:
            node = member.container.node
            on[node] += 1
            if on[node] <= most or is_there(member, actual):
                continue
            others = ", ".join(m.host for m in here if m.container.node == node and m is not member)
            free = [n for n in nodes if sum(m.container.node == n for m in members) < most]
            found[member.vmid] = (
                f"VMID {member.vmid} ({member.host}): {node} is for {others} of {group} too, "
                f"whose {len(members)} containers have {len(nodes)} nodes: {', '.join(nodes)}",
                f"set lxc_node: {' or '.join(free)} in "
                f"inventory/{desired.environment}/host_vars/{member.host}/container.yml",
            )
    return found


def together(members: list[Wanted], actual: Actual) -> str | None:
    """What is wrong when all containers of a service are on one node, and need not be."""
    homes = {f.container.node for member in members if (f := actual.ours.get(member.vmid))}
    nodes = nodes_for(members, actual)
    if len(homes) != 1 or len(nodes) < 2:  # noqa: PLR2004 # another one, that is
        return None
    return f"all {len(members)} are on {homes.pop()}, and these could have some: {', '.join(nodes)}"


def is_there(wanted: Wanted, actual: Actual) -> bool:
    found = actual.ours.get(wanted.vmid)
    return found is not None and found.container.node == wanted.container.node


def kept_away(desired: Desired, actual: Actual) -> dict[int, tuple[str, str]]:
    """By VMID, why a container cannot be brought to its `lxc_node`, and a way out."""
    found = crowded(desired, actual)
    for wanted in desired.containers:
        node = wanted.container.node
        if away := out_of_reach(node, actual.nodes):
            way = "bring the node back, or name another one in lxc_node"
            found[wanted.vmid] = f"VMID {wanted.vmid} ({wanted.host}): lxc_node {node} {away}", way
    return found
