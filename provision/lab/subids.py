"""The range of host user ids that a lab's containers use as their own."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.lab.settings import write_atomically

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
LOCK = Path("/run/lock/ctlv-subid")
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
    return free_base(file.read_text() for file in FILES if file.exists())


def claim(base: int) -> None:
    """Let root use the range; newuidmap refuses ranges that are not listed."""
    line = f"root:{base}:{SIZE}"
    with _edited() as lines_of:
        for lines in lines_of.values():
            if line not in lines:
                lines.append(line)


def release(base: int) -> None:
    """Give the range back."""
    line = f"root:{base}:{SIZE}"
    with _edited() as lines_of:
        for lines in lines_of.values():
            if line in lines:
                lines.remove(line)


@contextmanager
def _edited() -> Iterator[dict[Path, list[str]]]:
    """Give the lines of both files to change, and write what changed.

    Not by usermod: it refuses to touch an account that has processes, which root always has.
    """
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {file: file.read_text().splitlines() if file.exists() else [] for file in FILES}
        before = {file: list(lines) for file, lines in found.items()}
        yield found
        for file, lines in found.items():
            if lines != before[file]:
                write_atomically(file, "".join(f"{line}\n" for line in lines), mode=0o644)
