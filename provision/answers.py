"""What an answer of the API must look like: of each call, exactly what is read of it. Pure.

Something else than Proxmox may listen there, or a proxy in between may answer: a wrong shape is
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
Kind = Callable[[Any], bool]
# Returns the answer without its nulls, raises ValueError with what is wrong.
Shape = Callable[[Any], Any]

DIGITS = re.compile(r"-?[0-9]{1,18}")
# pve-common src/PVE/UPID.pm
UPID = re.compile(r"UPID:[A-Za-z0-9-]+(:[0-9A-Fa-f]+){3}:[^:\s]+:[^:\s]*:[^:\s]+:")
NAME = re.compile(r"\w[\w.-]*")
LARGEST = 2**60
MOST_SHOWN = 60
GUESTS = frozenset({"lxc", "qemu"})
READ = re.compile(
    r"(net|mp)\d+|description|digest|features|hostname|lock|nameserver|onboot|ostype|protection|"
    r"rootfs|searchdomain|startup|tags|template|unprivileged"
)
# Some year that every C library can print.
LATEST_S = 2**36


# ---------------------------------------------------------------- kinds of values


def text(value: Any) -> bool:
    return isinstance(value, str)


def name(value: Any) -> bool:
    """A node's or a storage's: it becomes a part of the next call's path."""
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def upid(value: Any) -> bool:
    return isinstance(value, str) and UPID.fullmatch(value) is not None


def number(value: Any) -> bool:
    if isinstance(value, str):
        return DIGITS.fullmatch(value) is not None
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < LARGEST


def moment(value: Any) -> bool:
    return number(value) and 0 <= int(value) < LATEST_S


def scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


# ---------------------------------------------------------------- shapes of answers


def record(**kinds: Kind) -> Shape:
    """A mapping with these keys; one whose name ends in `_` may be missing."""

    def read(answer: Any) -> Any:
        if not isinstance(answer, dict):
            raise ValueError(f"{shown(answer)} instead of a mapping")
        known = {key: value for key, value in answer.items() if value is not None}
        for key, kind in kinds.items():
            plain = key.rstrip("_")
            if plain not in known and key == plain:
                raise ValueError(f"{plain!r} is missing")
            if plain in known and not kind(known[plain]):
                raise ValueError(f"{plain!r} is {shown(known[plain])}")
        return known

    return read


def rows(**kinds: Kind) -> Shape:
    read = record(**kinds)

    def read_all(answer: Any) -> Any:
        if not isinstance(answer, list):
            raise ValueError(f"{shown(answer)} instead of a list")
        return [read(item) for item in answer]

    return read_all


def resources(answer: Any) -> Any:
    """Guests, nodes, storages and more: a guest has a VMID, and lies on a node."""
    found = rows(type_=text, vmid_=number)(answer)
    for item in found:
        if "vmid" in item or item.get("type") in GUESTS:
            guest(item)
        elif item.get("type") == "node":
            node(item)
    return found


def config(answer: Any) -> Any:
    """Every value is a scalar, but for the raw `lxc` keys and others that nobody reads."""
    known = record(cores_=number, memory_=number, swap_=number)(answer)
    for key, value in known.items():
        if READ.fullmatch(key) and not scalar(value):
            raise ValueError(f"{key!r} is {shown(value)}")
    return known


def permissions(answer: Any) -> Any:
    """Path -> privilege -> whether it is inherited further down."""
    known = record()(answer)
    for path, privileges in known.items():
        if not isinstance(privileges, dict):
            raise ValueError(f"{path!r} is {shown(privileges)}")
    return known


def anything(answer: Any) -> Any:
    return answer


node = record(node=name, status_=scalar)
guest = record(
    vmid=number, node=name, status_=scalar, name_=scalar, tags_=scalar, uptime_=number,
    mem_=number, disk_=number,
)  # fmt: skip
status = record(
    status_=scalar, uptime_=number, mem_=number, disk_=number, ha_=mapping, lock_=scalar
)
guests = rows(vmid=number, status_=scalar, uptime_=number, mem_=number, disk_=number)

# The path of a GET -> the shape of its answer; the first that matches counts.
SHAPES: tuple[tuple[str, Shape], ...] = (
    (r"version", record(version_=scalar)),
    (r"access/permissions", permissions),
    (r"cluster/nextid", anything),
    (r"cluster/resources", resources),
    (r"cluster/status", rows(type_=scalar, quorate_=scalar)),
    (r"nodes", rows(node=name, status_=scalar)),
    (r"nodes/[^/]+/time", record(time=number)),
    (r"nodes/[^/]+/network", rows(iface=text, type_=scalar, bridge_vlan_aware_=scalar)),
    (r"nodes/[^/]+/aplinfo", rows(template_=text)),
    (r"nodes/[^/]+/storage",
     rows(storage=text, active_=scalar, avail_=number, content_=text)),
    (r"nodes/[^/]+/storage/[^/]+/content", rows(volid=text)),
    (r"nodes/[^/]+/tasks", rows(upid=upid, type_=scalar, starttime_=number, endtime_=number)),
    (r"nodes/[^/]+/tasks/[^/]+/status", record(status=text, exitstatus_=scalar)),
    (r"nodes/[^/]+/tasks/[^/]+/log", rows(t_=scalar)),
    (r"nodes/[^/]+/lxc", guests),
    (r"nodes/[^/]+/lxc/\d+/config", config),
    (r"nodes/[^/]+/lxc/\d+/pending", rows(key=text, value_=scalar, pending_=scalar)),
    (r"nodes/[^/]+/lxc/\d+/status/current", status),
    (r"nodes/[^/]+/lxc/\d+/snapshot", rows(name=name, snaptime_=moment)),
    (r"nodes/[^/]+/lxc/\d+/feature", record(hasFeature_=scalar)),
)  # fmt: skip


def checked(path: str, answer: Any) -> Any:
    """Return the answer to GET `path` without its nulls.

    Raises ValueError with what is wrong with it, LookupError for a path that has no shape here.
    """
    for pattern, shape in SHAPES:
        if re.fullmatch(pattern, path):
            return shape(answer)
    raise LookupError(f"no shape is known for the answer to {path}")


def shown(value: Any) -> str:
    """A value in an error: short, and on one line."""
    plain = " ".join(repr(value).split())
    return plain if len(plain) <= MOST_SHOWN else f"{plain[: MOST_SHOWN - 3]}..."
