"""The range of host user ids that a lab's containers use as their own."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.settings import open_lock, write_atomically

FILES = (Path("/etc/subuid"), Path("/etc/subgid"))
LOCK = Path("/run/lock/ctlv-subid")
SIZE = 65536
FIRST = 1_000_000
LAST = 2_000_000_000
RANGE = re.compile(r"[^:]+:(\d+):(\d+)")


def free_base(texts: Iterable[str]) -> int:
    """Return the start of a range of 65536 that no line of the subuid files overlaps. Pure."""
    lines = (RANGE.fullmatch(line.strip()) for text in texts for line in text.splitlines())
    # What is no range, such as a remark, is nobody's, as for newuidmap.
    taken = sorted((int(line[1]), int(line[1]) + int(line[2])) for line in lines if line)
    base = FIRST
    for start, end in taken:
        if start < base + SIZE and end > base:
            base = end
    if base > LAST:
        raise ValueError("no free range of subordinate ids")
    return base


def claim(base: int, *, keep: Callable[[int], None]) -> None:
    """Let root use the range from `base`, or a free one when it is 0; newuidmap wants it listed.

    `keep` is called with it before it is listed: who is killed in between leaves no line that
    nobody knows. Two labs that start at once choose one after the other.
    """
    with _edited() as lines_of:
        base = base or free_base("\n".join(lines) for lines in lines_of.values())
        keep(base)
        for lines in lines_of.values():
            if (line := f"root:{base}:{SIZE}") not in lines:
                lines.append(line)


def release(base: int) -> None:
    line = f"root:{base}:{SIZE}"
    with _edited() as lines_of:
        for lines in lines_of.values():
            if line in lines:
                lines.remove(line)


def are_claimed() -> bool:
    """Whether a lab of this machine has a range, be it running or stopped."""
    lines = (line for file in FILES if file.exists() for line in file.read_text().splitlines())
    ours = (
        found for line in lines if line.startswith("root:") and (found := RANGE.fullmatch(line))
    )
    return any(int(found[1]) >= FIRST and int(found[2]) == SIZE for found in ours)


@contextmanager
def _edited() -> Iterator[dict[Path, list[str]]]:
    """Give the lines of both files to change, and write what changed.

    Not by usermod: it refuses to touch an account that has processes, which root always has.
    """
    with open_lock(LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {file: file.read_text().splitlines() if file.exists() else [] for file in FILES}
        before = {file: list(lines) for file, lines in found.items()}
        yield found
        for file, lines in found.items():
            if lines != before[file]:
                write_atomically(file, "".join(f"{line}\n" for line in lines), mode=0o644)
