"""The range of host user ids that a lab's containers use as their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from provision.lab.commands import run

FILES = {"uid": Path("/etc/subuid"), "gid": Path("/etc/subgid")}
SIZE = 65536
FIRST = 1_000_000
LAST = 2_000_000_000


def free_base(texts: Iterable[str]) -> int:
    """Return the start of a range of 65536 that no line of the subuid files overlaps. Pure."""
    taken = sorted(
        (int(start), int(start) + int(count))
        for text in texts
        for _, start, count in (line.split(":") for line in text.splitlines() if line.strip())
    )
    base = FIRST
    for start, end in taken:
        if start < base + SIZE and end > base:
            base = end
    if base > LAST:
        raise ValueError("no free range of subordinate ids")
    return base


def choose() -> int:
    """Return a free range on this machine."""
    return free_base(file.read_text() for file in FILES.values() if file.exists())


def claim(base: int) -> None:
    """Let root use the range; newuidmap refuses ranges that are not listed."""
    line = f"root:{base}:{SIZE}"
    for kind, file in FILES.items():
        if not file.exists() or line not in file.read_text().splitlines():
            run(["usermod", f"--add-sub{kind}s", f"{base}-{base + SIZE - 1}", "root"])


def release(base: int) -> None:
    """Give the range back."""
    line = f"root:{base}:{SIZE}"
    for kind, file in FILES.items():
        if file.exists() and line in file.read_text().splitlines():
            run(["usermod", f"--del-sub{kind}s", f"{base}-{base + SIZE - 1}", "root"])
