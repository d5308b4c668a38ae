"""What a response of the API must look like: of each call, exactly what is read of it. Pure.

Something else than Proxmox may listen there, or a proxy in between may respond: a wrong shape is
found here, at the edge, and not as a traceback three modules further on. Perl knows no difference
between 1 and "1", and an undefined value arrives as null: both are what they mean. What nobody
reads may have any shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

# Takes a value, says whether it is of the kind.
Kind = Callable[[Any], object]
# Returns the response without its nulls, raises ValueError with what is wrong.
Shape = Callable[[Any], Any]

LARGEST = 2**60
MOST_SHOWN = 60
PAIR = 2
# Some year that every C library can print.
LATEST_S = 2**36


def a(*types: type) -> Kind:
    return lambda value: isinstance(value, types)


def like(pattern: str) -> Kind:
    matches = re.compile(pattern).fullmatch
    return lambda value: isinstance(value, str) and matches(value)


text, mapping, scalar = a(str), a(dict), a(str, int, float)
# A node's or a storage's: it becomes a part of the next call's path.
name = like(r"\w[\w.-]*")
# pve-common src/PVE/UPID.pm
upid = like(r"UPID:[A-Za-z0-9-]+(:[0-9A-Fa-f]+){3}:[^:\s]+:[^:\s]*:[^:\s]+:")
digits = like("-?[0-9]{1,18}")


def number(value: Any) -> object:
    is_finite = isinstance(value, int | float) and math.isfinite(value)
    return digits(value) or (is_finite and abs(value) < LARGEST)


def moment(value: Any) -> bool:
    return bool(number(value)) and 0 <= int(value) < LATEST_S


def pairs(value: Any) -> bool:
    """LXC's own keys, which Proxmox passes on: [["lxc.mount.entry", "/a b"], ...]."""
    return isinstance(value, list) and all(isinstance(i, list) and len(i) == PAIR for i in value)


def record(every: tuple[str, Kind] = ("", scalar), /, **kinds: Kind) -> Shape:
    """A mapping with these keys; one whose name ends in `_` may be missing.

    `every`: a pattern, and the kind of what is under the keys that it matches.
    """
    optional = {key[:-1]: kind for key, kind in kinds.items() if key.endswith("_")}
    needed = {key: kind for key, kind in kinds.items() if not key.endswith("_")}
    matches = re.compile(every[0]).fullmatch

    def read(response: Any) -> Any:
        if not isinstance(response, dict):
            raise ValueError(f"{shown(response)} instead of a mapping")
        known = {key: value for key, value in response.items() if value is not None}
        for key in needed.keys() - known:
            raise ValueError(f"{key!r} is missing")
        matching = {key: every[1] for key in known if matches(key)}
        for key, kind in (matching | optional | needed).items():
            if key in known and not kind(known[key]):
                raise ValueError(f"{key!r} is {shown(known[key])}")
        return known

    return read


def rows(**kinds: Kind) -> Shape:
    read = record(**kinds)

    def read_all(response: Any) -> Any:
        if not isinstance(response, list):
            raise ValueError(f"{shown(response)} instead of a list")
        return [read(item) for item in response]

    return read_all


def resources(response: Any) -> Any:
    """Guests, nodes, storages and more: a guest has a VMID, and lies on a node."""
    found = rows(type_=text, vmid_=number)(response)
    for item in found:
        if "vmid" in item or item.get("type") in ("lxc", "qemu"):
            guest(item)
        elif item.get("type") == "node":
            node(item)
        elif item.get("type") == "storage":
            storage(item)
    return found


usage: dict[str, Kind] = {"uptime_": number, "mem_": number, "disk_": number}
node = record(node=name, status_=scalar)
storage = record(storage=text, node_=name, plugintype_=text, content_=text, shared_=scalar)
guest = record(vmid=number, node=name, status_=scalar, name_=scalar, tags_=scalar, **usage)
# Keys beyond these, and LXC's own under `lxc`, nobody reads.
READ = (
    r"(net|mp)\d+|description|digest|features|hostname|lock|nameserver|onboot|ostype|protection|"
    r"rootfs|searchdomain|startup|tags|template|unprivileged"
)
config = record((READ, scalar), cores_=number, memory_=number, swap_=number, lxc_=pairs)


def pending(response: Any) -> Any:
    """Two configurations side by side: what is, and what waits."""
    found = rows(key=text, value_=scalar, pending_=scalar)(response)
    for layer in ("value", "pending"):
        config({row["key"]: row[layer] for row in found if layer in row})
    return found


# The path of a GET -> the shape of its response; the first that matches counts.
SHAPES: tuple[tuple[str, Shape], ...] = (
    (r"version", record(version_=scalar)),
    # Path -> privilege -> whether it is inherited further down.
    (r"access/permissions", record((".*", mapping))),
    (r"access/users/[^/]+/token/[^/]+", record(privsep_=scalar)),
    (r"access/acl", rows(path=text, type=text, ugid=text, roleid=text, propagate_=scalar)),
    (r"cluster/nextid", lambda response: response),
    (r"cluster/resources", resources),
    (r"cluster/status", rows(type_=scalar, quorate_=scalar)),
    (r"cluster/ha/resources", rows(sid=text, state_=scalar, group_=scalar)),
    (r"cluster/ha/rules",
     rows(rule=text, type_=scalar, nodes_=scalar, resources_=scalar, affinity_=scalar)),
    (r"cluster/ha/groups", rows(group=text, nodes_=text)),
    (r"pools", rows(poolid=text)),
    (r"nodes", rows(node=name, status_=scalar)),
    (r"nodes/[^/]+/time", record(time=number)),
    (r"nodes/[^/]+/dns", record(dns1_=text, dns2_=text, dns3_=text)),
    (r"nodes/[^/]+/network", rows(iface=text, type_=scalar, bridge_vlan_aware_=scalar,
     active_=scalar)),
    (r"nodes/[^/]+/aplinfo", rows(template_=text)),
    (r"nodes/[^/]+/storage",
     rows(storage=text, type_=text, active_=scalar, shared_=scalar, avail_=number,
          content_=text)),
    (r"nodes/[^/]+/storage/[^/]+/content", rows(volid=text)),
    (r"nodes/[^/]+/tasks", rows(upid=upid, type_=scalar, starttime_=number, endtime_=number)),
    (r"nodes/[^/]+/tasks/[^/]+/status", record(status=text, exitstatus_=scalar)),
    (r"nodes/[^/]+/tasks/[^/]+/log", rows(t_=scalar)),
    (r"nodes/[^/]+/lxc", rows(vmid=number, status_=scalar, **usage)),
    (r"nodes/[^/]+/lxc/\d+/config", config),
    (r"nodes/[^/]+/lxc/\d+/pending", pending),
    (r"nodes/[^/]+/lxc/\d+/status/current",
     record(status_=scalar, ha_=mapping, lock_=scalar, **usage)),
    (r"nodes/[^/]+/lxc/\d+/snapshot", rows(name=name, snaptime_=moment)),
    (r"nodes/[^/]+/lxc/\d+/feature", record(hasFeature_=scalar)),
)  # fmt: skip
COMPILED = tuple((re.compile(path), shape) for path, shape in SHAPES)


def checked(path: str, response: Any) -> Any:
    """Return the response to GET `path` without its nulls.

    Raises ValueError with what is wrong with it, LookupError for a path that has no shape here.
    """
    for pattern, shape in COMPILED:
        if pattern.fullmatch(path):
            return shape(response)
    raise LookupError(f"no shape is known for the response to {path}")


def shown(value: Any) -> str:
    """A value in an error: short, and on one line."""
    plain = " ".join(repr(value).split())
    return plain if len(plain) <= MOST_SHOWN else f"{plain[: MOST_SHOWN - 3]}..."
