"""Disks of containers: a sparse image with XFS each, the template's tree below, overlay on top.

What a container writes is in its own image, so `df` tells the size that was asked for and a resize
is a real one. The template's tree lies below it, read-only and shared.

XFS and not Proxmox's ext4: ext4 grows in use only for CAP_SYS_RESOURCE, which root inside a virtual
machine or a sandbox may lack.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run, succeeds

MKFS_TIMEOUT_S = 60
COPY_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """The disks of one container. `images` is a folder of its own, `mounts` another."""

    images: Path
    mounts: Path
    id_base: int

    @property
    def rootfs(self) -> Path:
        return self.mounts / "rootfs"

    def image(self, disk: str) -> Path:
        return self.images / f"{disk}.img"

    def snapshot_image(self, disk: str, snapshot: str) -> Path:
        return self.images / f"{disk}@{snapshot}.img"

    def mounted_at(self, disk: str) -> Path:
        return self.mounts / "disks" / disk

    def allocate(self, disk: str, size_bytes: int) -> None:
        """Make an empty disk of `size_bytes`, which takes no room yet."""
        self.images.mkdir(parents=True, exist_ok=True)
        partial = self.image(disk).with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with partial.open("wb") as file:
            file.truncate(size_bytes)
        run(["mkfs.xfs", "-q", "-K", "-m", "reflink=0", partial], timeout_s=MKFS_TIMEOUT_S)
        partial.rename(self.image(disk))

    def free(self, disk: str) -> None:
        _unmount(self.mounted_at(disk))
        for image in [self.image(disk), *self.images.glob(f"{disk}@*.img")]:
            image.unlink(missing_ok=True)

    def remove(self) -> None:
        self.unmount()
        shutil.rmtree(self.images, ignore_errors=True)
        shutil.rmtree(self.mounts, ignore_errors=True)

    def mount(self, root_disk: str, template: Path) -> Path:
        """Mount the tree over `template`; return it. Harmless to repeat."""
        if self.rootfs.is_mount():
            return self.rootfs
        own = self.mount_disk(root_disk)
        for name in ("upper", "work"):
            folder = own / name
            if not folder.exists():
                folder.mkdir(mode=0o755)
                os.chown(folder, self.id_base, self.id_base)
        self.rootfs.mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={template},upperdir={own}/upper,workdir={own}/work"
        run(["mount", "-t", "overlay", "-o", layers, "overlay", self.rootfs])
        return self.rootfs

    def mount_disk(self, disk: str) -> Path:
        """Mount one disk's own file system; return where. Harmless to repeat."""
        place = self.mounted_at(disk)
        if not place.is_mount():
            place.mkdir(parents=True, exist_ok=True)
            # nouuid: another process may hold a copy of the mounts (`unshare -m`). After a rollback
            # that keeps the old file system in use, with the UUID of the one that came back. An
            # image itself is never in use twice: mount takes the loop device that it has.
            run(["mount", "-o", "loop,nouuid", self.image(disk), place])
            os.chown(place, self.id_base, self.id_base)
        return place

    def unmount(self) -> None:
        """Unmount the tree and every disk. Harmless to repeat."""
        _unmount(self.rootfs)
        disks = self.mounts / "disks"
        for place in sorted(disks.iterdir()) if disks.is_dir() else []:
            _unmount(place)

    def resize(self, disk: str, size_bytes: int) -> None:
        """Grow a disk, in use or not."""
        os.truncate(self.image(disk), size_bytes)
        self.mount_disk(disk)
        device = run(["findmnt", "-n", "-o", "SOURCE", "--target", self.mounted_at(disk)]).strip()
        run(["losetup", "--set-capacity", device])
        run(["xfs_growfs", self.mounted_at(disk)], timeout_s=MKFS_TIMEOUT_S)

    def usage(self, disk: str) -> tuple[int, int]:
        """Return (used, total) bytes of a mounted disk, (0, 0) when it is not mounted."""
        place = self.mounted_at(disk)
        if not place.is_mount():
            return 0, 0
        found = os.statvfs(place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_blocks * found.f_frsize

    def names(self) -> list[str]:
        return sorted(p.stem for p in self.images.glob("*.img") if "@" not in p.name)

    def freeze(self) -> None:
        """Write everything out and hold every write, on all mounted disks."""
        for disk in self.names():
            if self.mounted_at(disk).is_mount():
                run(["fsfreeze", "--freeze", self.mounted_at(disk)])

    def thaw(self) -> None:
        """Undo `freeze`; fine when nothing is frozen."""
        for disk in self.names():
            if self.mounted_at(disk).is_mount():
                succeeds(["fsfreeze", "--unfreeze", self.mounted_at(disk)])

    def repair(self) -> None:
        """Undo what a snapshot or copy left that was cut: a disk on hold, a part of a file."""
        self.thaw()
        for part in self.images.glob("*.partial"):
            part.unlink()

    def snapshot(self, name: str) -> None:
        """Keep every disk as it is now, all at the same instant."""
        try:
            self.freeze()
            for disk in self.names():
                _copy(self.image(disk), self.snapshot_image(disk, name))
        finally:
            self.thaw()

    def rollback(self, name: str) -> None:
        """Put every disk back to `snapshot`. Nothing may use them."""
        self.unmount()
        for kept in sorted(self.images.glob(f"*@{name}.img")):
            _copy(kept, self.image(kept.stem.split("@")[0]))

    def copy(self, source: Disks, names: Mapping[str, str], snapshot: str | None) -> None:
        """Copy another container's disks, each under its new name in `names`."""
        self.images.mkdir(parents=True, exist_ok=True)
        for old, new in names.items():
            image = source.snapshot_image(old, snapshot) if snapshot else source.image(old)
            _copy(image, self.image(new))

    def delete_snapshot(self, name: str) -> None:
        """Forget a snapshot; a missing one is fine."""
        for kept in self.images.glob(f"*@{name}.img"):
            kept.unlink()


def _unmount(place: Path) -> None:
    while place.is_mount():
        if not succeeds(["umount", place]):
            run(["umount", "--lazy", place])


def _copy(source: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    run(["cp", "--sparse=always", "--reflink=auto", source, partial], timeout_s=COPY_TIMEOUT_S)
    partial.rename(target)


def mounted(*, below: Path) -> list[str]:
    """Return the mount points at a folder and below it, the deepest first.

    From the kernel's list: a dead file system cannot be asked.
    """
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = (Path(line.split()[1]) for line in lines)
    return sorted((str(place) for place in places if place.is_relative_to(below)), reverse=True)


def unmount_all(below: Path) -> None:
    for place in mounted(below=below):
        # Lazily: a process may still stand in it. It may also have gone by itself meanwhile.
        succeeds(["umount", "--lazy", place])
