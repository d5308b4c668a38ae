"""What is mounted where, from the kernel's list: a dead file system cannot be asked."""

from __future__ import annotations

from pathlib import Path

from lab.commands import succeeds


def mounted(*, below: Path | None = None) -> list[str]:
    """Return the mount points, those below a folder only if one is given, the deepest first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = [line.split()[1] for line in lines]
    chosen = (p for p in places if below is None or p == str(below) or p.startswith(f"{below}/"))
    return sorted(chosen, reverse=True)


def unmount_all(below: Path) -> None:
    for place in mounted(below=below):
        # Lazily: a process may still stand in it. It may also have gone by itself meanwhile.
        succeeds(["umount", "--lazy", place])
