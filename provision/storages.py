"""What a storage can do for containers: what the API says of it, what its type is able to. Pure.

pve-storage src/PVE/Storage/*Plugin.pm (plugindata, volume_has_feature, volume_resize), for the
volumes that pve-container's alloc_disk makes: raw images, ZFS data sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from provision.model import Storage
from provision.wire import parse_bool


class Able(NamedTuple):
    can_snapshot: bool | None
    can_resize: bool | None
    is_thin: bool


# Every type of Proxmox's own that takes containers. A raw image in a folder is sparse, thus thin.
TYPES: Mapping[str, Able] = {
    "btrfs": Able(can_snapshot=True, can_resize=True, is_thin=True),
    "cifs": Able(can_snapshot=False, can_resize=True, is_thin=True),
    "dir": Able(can_snapshot=False, can_resize=True, is_thin=True),
    "lvm": Able(can_snapshot=False, can_resize=True, is_thin=False),
    "lvmthin": Able(can_snapshot=True, can_resize=True, is_thin=True),
    "nfs": Able(can_snapshot=False, can_resize=True, is_thin=True),
    "rbd": Able(can_snapshot=True, can_resize=True, is_thin=True),
    "zfspool": Able(can_snapshot=True, can_resize=True, is_thin=True),
}
# A plugin that somebody installed: it is taken to allocate everything at once.
UNKNOWN = Able(can_snapshot=None, can_resize=None, is_thin=False)


def parse_storage(item: Mapping[str, Any], node: str) -> Storage:
    """An entry of GET nodes/N/storage, or of GET cluster/resources, which has other names."""
    kind = str(item.get("plugintype", item.get("type", "?")))
    return Storage(
        name=str(item["storage"]),
        node=node,
        type=kind,
        content=str(item.get("content", "")),
        is_active=parse_bool(item.get("active", 1)),
        is_shared=parse_bool(item.get("shared", 0)),
        free_bytes=int(item.get("avail") or 0),
        **TYPES.get(kind, UNKNOWN)._asdict(),
    )


def described(storage: Storage) -> str:
    """Its kind, and which of our verbs it carries."""
    able = {"growing": storage.can_resize, "snapshot": storage.can_snapshot}
    carried = ["provision"] * storage.takes("rootdir")
    carried += [verb + " (if its plugin can)" * (can is None) for verb, can in able.items()
                if can is not False]  # fmt: skip
    lacking = "; not snapshot (make backup does)" * (storage.can_snapshot is False)
    kind = storage.type + ", shared" * storage.is_shared
    return f"{kind}; carries {', '.join(carried)}{lacking}"
