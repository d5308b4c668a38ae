"""What a storage can do for containers: what the API says of it, what its type is able to. Pure.

pve-storage src/PVE/Storage/*Plugin.pm (plugindata, volume_has_feature, volume_resize), for the
volumes that pve-container's alloc_disk makes: raw images, ZFS data sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from provision.wire import parse_bool


class Able(NamedTuple):
    """None is what only the plugin knows."""

    snapshot: bool | None
    thin: bool
    resize: bool | None


# Every type of Proxmox's own that takes containers. A raw image in a folder is sparse, thus thin.
TYPES: Mapping[str, Able] = {
    "btrfs": Able(snapshot=True, thin=True, resize=True),
    "cifs": Able(snapshot=False, thin=True, resize=True),
    "dir": Able(snapshot=False, thin=True, resize=True),
    "lvm": Able(snapshot=False, thin=False, resize=True),
    "lvmthin": Able(snapshot=True, thin=True, resize=True),
    "nfs": Able(snapshot=False, thin=True, resize=True),
    "rbd": Able(snapshot=True, thin=True, resize=True),
    "zfspool": Able(snapshot=True, thin=True, resize=True),
}
# A plugin that somebody installed: it is taken to allocate everything at once.
UNKNOWN = Able(snapshot=None, thin=False, resize=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """One storage on one node, from GET nodes/N/storage."""

    name: str
    type: str
    content: str
    is_active: bool
    is_shared: bool
    free_bytes: int

    @property
    def able(self) -> Able:
        return TYPES.get(self.type, UNKNOWN)

    def takes(self, content: str) -> bool:
        return content in self.content.split(",")


def parse_storage(item: Mapping[str, Any]) -> Storage:
    return Storage(
        name=str(item["storage"]),
        type=str(item.get("type", "?")),
        content=str(item.get("content", "")),
        is_active=parse_bool(item.get("active", 1)),
        is_shared=parse_bool(item.get("shared", 0)),
        free_bytes=int(item.get("avail") or 0),
    )


def verbs(storage: Storage) -> str:
    """Which of our verbs it carries, for doctor's line."""
    unsure = {True: "", None: " (if its plugin can)"}
    carried = ["provision"] * storage.takes("rootdir")
    if storage.able.resize is not False:
        carried.append(f"growing{unsure[storage.able.resize]}")
    if storage.able.snapshot is not False:
        carried.append(f"snapshot{unsure[storage.able.snapshot]}")
    lacking = "" if storage.able.snapshot is not False else "; not snapshot (make backup does)"
    return f"carries {', '.join(carried)}{lacking}"
