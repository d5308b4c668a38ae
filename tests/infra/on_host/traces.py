"""Is a text in any log of this machine, or in any file that others may read? Changes nothing.

In: {"needles": [text, ...], "since_s": how many seconds of the journal to search}.
Out: {"found": ["/var/log/nginx/access.log", "the journal", ...]}
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("var/log", "var/cache/nginx", "var/lib/nginx", "tmp", "var/tmp", "run/agenda")
READ_MAX_BYTES = 20_000_000


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in Path("/", folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and "journal" not in path.parts:
                yield path


def tail(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_MAX_BYTES))
            return file.read()
    except OSError:
        return b""


def main() -> None:
    asked = json.load(sys.stdin)
    needles = asked["needles"]
    found = [str(p) for p in files() if any(needle.encode() in tail(p) for needle in needles)]
    journal = subprocess.run(
        ["journalctl", f"--since=-{asked['since_s']}s", "--output=json", "--no-pager"],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    ).stdout
    if any(needle in journal for needle in needles):
        found.append("the journal")
    json.dump({"found": found}, sys.stdout)


if __name__ == "__main__":
    main()
