"""What is mounted where, from the kernel's list: a dead file system cannot be asked."""

from __future__ import annotations

from pathlib import Path

from lab.commands import succeeds


def mounted(*, below: Path) -> list[str]:
    """Return the mount points at a folder and below it, the deepest first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = (Path(line.split()[1]) for line in lines)
    return sorted((str(place) for place in places if place.is_relative_to(below)), reverse=True)


def unmount_all(below: Path) -> None:
    for place in mounted(below=below):
        # Lazily: a process may still stand in it. It may also have gone by itself meanwhile.
        succeeds(["umount", "--lazy", place])
