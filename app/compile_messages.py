#!/usr/bin/env python3
"""Compile every translation (.po) beside itself (.mo). The release's build and the tests call this.

Needs no settings and no database, only gettext's msgfmt. Run: python app/compile_messages.py
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

TIMEOUT_S = 60


def compile_messages(root: Path) -> list[Path]:
    """Compile what is older than its source below `root`; return what was written."""
    written = []
    for source in sorted(root.rglob("*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        # A name of our own, then a rename: tests run in several processes at once.
        unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
        subprocess.run(
            ["msgfmt", "--check", "--output-file", str(unfinished), str(source)],
            check=True,
            timeout=TIMEOUT_S,
        )
        unfinished.replace(target)
        written.append(target)
    return written


if __name__ == "__main__":
    for path in compile_messages(Path(__file__).resolve().parent):
        print(f"compiled {path}")
