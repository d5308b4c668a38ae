"""Where on this host a secret lies that others could read. Changes nothing.

The host is not told the secrets: it gets a checksum of the beginning of each, and the digest of it.

In:  {"window": 24, "pattern": "[...]{24,}", "secrets": [{"name", "crc", "length", "sha256"}]}
Out: {"searched": files and lines searched, "found": ["NAME in /path", "NAME in the journal", ...]}
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Beside what others may read: every log, every backup, and what the database server writes, where
# its own logs of statements would lie; whoever may read them.
ALWAYS = ("/var/log", "/var/backups", "/var/lib/mysql")
# Debian's own files, which no program of ours writes.
DEBIAN = ("bin", "sbin", "share", "lib", "libexec", "include", "games", "src")
SKIPPED = (
    *("/proc", "/sys", "/dev", "/boot", "/var/lib/apt", "/var/lib/dpkg", "/var/cache/apt"),
    *(f"/usr/{name}" for name in DEBIAN),
)
# Of a file that is longer its end is not searched: it is sparse.
ONE_FILE_MAX_BYTES = 1 << 30
CHUNK_BYTES, OVERLAP_BYTES = 16 << 20, 1 << 16


def regular_files(folder: Path, skipped: tuple[str, ...]) -> Iterator[Path]:
    """Of this file system's tree, links not followed."""
    for path in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
        if str(path) in skipped or path.is_symlink():
            continue
        if path.is_dir():
            yield from regular_files(path, skipped)
        elif path.is_file():
            yield path


def to_search(root: str = "") -> Iterator[Path]:
    always = tuple(root + place for place in ALWAYS)
    for path in regular_files(Path(root or "/"), tuple(root + place for place in SKIPPED)):
        is_open = path.stat().st_mode & stat.S_IROTH or str(path).startswith(always)
        if is_open and "journal" not in path.parts:
            yield path


def pieces(path: Path) -> Iterator[bytes]:
    """A secret that lies across two of them is whole in the second."""
    with path.open("rb") as file:
        for start in range(0, ONE_FILE_MAX_BYTES, CHUNK_BYTES):
            file.seek(max(0, start - OVERLAP_BYTES))
            data = file.read(CHUNK_BYTES + OVERLAP_BYTES)
            if len(data) <= OVERLAP_BYTES and start:
                return
            yield data


class Search:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.window = asked["window"]
        self.run = re.compile(asked["pattern"].encode())
        self.by_crc: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for secret in asked["secrets"]:
            self.by_crc[secret["crc"]].append(secret)

    def names(self, data: bytes) -> Iterator[str]:
        for run in self.run.findall(data):
            for start in range(len(run) - self.window + 1):
                for secret in self.by_crc.get(zlib.crc32(run[start : start + self.window]), ()):
                    whole = run[start : start + secret["length"]]
                    if hashlib.sha256(whole).hexdigest() == secret["sha256"]:
                        yield secret["name"]


def command_lines() -> Iterator[tuple[str, bytes]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield f"the command line of process {folder.name}", (folder / "cmdline").read_bytes()
        except OSError:
            continue


def everything() -> Iterator[tuple[str, bytes]]:
    yield from command_lines()
    command = ["journalctl", "--output=cat", "--no-pager", "--lines=200000"]
    journal = subprocess.run(command, capture_output=True, timeout=120, check=False).stdout
    yield "the journal", journal
    for path in to_search():
        try:
            for piece in pieces(path):
                yield str(path), piece
        except OSError:
            continue


def main() -> None:
    search = Search(json.load(sys.stdin))
    found, searched = set(), 0
    for place, data in everything():
        searched += 1
        found |= {f"{name} in {place}" for name in search.names(data)}
    json.dump({"searched": searched, "found": sorted(found)}, sys.stdout)


if __name__ == "__main__":
    main()
